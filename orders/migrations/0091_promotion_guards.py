"""What PostgreSQL holds of promotions: two people, limits, floors, caps, and what stays as it was.

Times in terms are compared as text, so these functions all speak UTC.
"""

from django.db import migrations

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, FINANCE, OPERATIONS, ROLES, SUPPORT, grant

PINNED = "SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'"
NOT_TERMS = "id, key, is_on, change_id, stopped_at, stopped_by, stop_reason, made_at, made_by, version"
TERMS = (
    "name, kind, code, percent, amounts, target, skus, thresholds, bundle, channels, starts_at, "
    "ends_at, time_zone, usage_limit, customer_limit, when_used_up, is_exclusive, cap_percent, "
    "margin_percent, stock_sku, stock_units"
)

# No start and nothing that gives more without an agreed change of exactly these terms.
TERMS_GUARD = f"""
CREATE FUNCTION orders_promotion_terms(p orders_promotion) RETURNS jsonb LANGUAGE sql STABLE {PINNED} AS $$
    SELECT to_jsonb(p) - string_to_array('{NOT_TERMS}', ', ');
$$;

CREATE FUNCTION orders_promotion_agreed() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
DECLARE
    told constant text := 'Promotion ' || NEW.id || ' starts and gives more only by an agreed change';
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.is_on OR NEW.change_id IS NOT NULL THEN
            RAISE EXCEPTION '%', told USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF NEW.change_id IS DISTINCT FROM OLD.change_id THEN
        -- A change is applied once: never again after a later one.
        IF NOT EXISTS (SELECT FROM orders_promotionchange c WHERE c.id = NEW.change_id
                       AND c.promotion_id = NEW.id AND c.state = 'agreed' AND c.id > coalesce(OLD.change_id, 0)
                       AND c.terms = orders_promotion_terms(NEW)) THEN
            RAISE EXCEPTION '%', told USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF NEW.is_on AND NOT OLD.is_on
       OR OLD.change_id IS NOT NULL AND (
           orders_promotion_terms(NEW) - ARRAY['usage_limit', 'ends_at']
              IS DISTINCT FROM orders_promotion_terms(OLD) - ARRAY['usage_limit', 'ends_at']
           OR coalesce(NEW.usage_limit, 2147483647) > coalesce(OLD.usage_limit, 2147483647)
           OR coalesce(NEW.ends_at, 'infinity') > coalesce(OLD.ends_at, 'infinity')) THEN
        RAISE EXCEPTION '%', told USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_promotion_agreed BEFORE INSERT OR UPDATE ON orders_promotion
    FOR EACH ROW EXECUTE FUNCTION orders_promotion_agreed();

CREATE FUNCTION orders_promotion_counted() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    n integer;
    units integer;
    why text;
BEGIN
    -- Whoever counts meanwhile is waited for; what they wrote is seen then.
    PERFORM FROM orders_promotioncount WHERE promotion_id = NEW.id FOR UPDATE;
    SELECT count(*), coalesce(sum(r.stock_units), 0) INTO n, units FROM orders_redemption r
     WHERE r.promotion_id = NEW.id
       AND NOT EXISTS (SELECT FROM orders_redemptionrelease b WHERE b.redemption_id = r.id);
    why := CASE WHEN n >= NEW.usage_limit THEN 'limit' WHEN units >= NEW.stock_units THEN 'stock'
                WHEN NEW.ends_at <= statement_timestamp() THEN 'date' ELSE '' END;
    INSERT INTO orders_promotioncount AS c (promotion_id, used, stock_used, ended_at, ended_why)
    VALUES (NEW.id, n, units, CASE WHEN why <> '' THEN statement_timestamp() END, why)
    ON CONFLICT (promotion_id) DO UPDATE SET used = excluded.used, stock_used = excluded.stock_used,
        ended_at = CASE WHEN why <> '' THEN coalesce(c.ended_at, excluded.ended_at) END, ended_why = why;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_promotion_counted AFTER INSERT OR UPDATE ON orders_promotion
    FOR EACH ROW EXECUTE FUNCTION orders_promotion_counted();
"""

ASKING = f"""
CREATE FUNCTION orders_ask_promotion(p_promotion bigint, p_terms jsonb, p_why text, p_by bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    p orders_promotion;
    n orders_promotion;
    fresh bigint;
BEGIN
    SELECT * INTO p FROM orders_promotion WHERE id = p_promotion FOR NO KEY UPDATE;
    IF p.id IS NULL THEN
        PERFORM backoffice_refuse('This promotion does not exist.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['operations', 'finance', 'administrator']) THEN
        PERFORM backoffice_refuse('Operations, finance or an administrator asks for a promotion.');
    ELSIF btrim(coalesce(p_why, '')) = '' THEN
        PERFORM backoffice_refuse('Say why, so that somebody can agree.');
    END IF;
    n := jsonb_populate_record(p, p_terms);
    UPDATE orders_promotionchange SET state = 'replaced' WHERE promotion_id = p.id AND state = 'asked';
    INSERT INTO orders_promotionchange (promotion_id, state, terms, before, version, why, asked_by_id, note)
    VALUES (p.id, 'asked', orders_promotion_terms(n), orders_promotion_terms(p), p.version, p_why, p_by, '')
    RETURNING id INTO fresh;
    RETURN fresh;
END $$;

CREATE FUNCTION orders_decide_promotion(p_change bigint, p_agree boolean, p_note text, p_by bigint)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    c orders_promotionchange;
    p orders_promotion;
BEGIN
    SELECT * INTO c FROM orders_promotionchange WHERE id = p_change;
    SELECT * INTO p FROM orders_promotion WHERE id = c.promotion_id FOR NO KEY UPDATE;
    SELECT * INTO c FROM orders_promotionchange WHERE id = p_change FOR UPDATE;
    IF c.id IS NULL OR c.state <> 'asked' THEN
        PERFORM backoffice_refuse('Nobody waits for this any more.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['finance']) AND (p_agree OR p_by <> c.asked_by_id) THEN
        PERFORM backoffice_refuse('Somebody of finance has to agree.');
    ELSIF p_agree IS NOT TRUE THEN
        UPDATE orders_promotionchange SET state = 'refused', decided_by_id = p_by,
               decided_at = statement_timestamp(), note = coalesce(p_note, '') WHERE id = c.id;
        RETURN;
    ELSIF p_by = c.asked_by_id THEN
        PERFORM backoffice_refuse('You asked for this: someone else has to agree.');
    ELSIF NOT backoffice_holds(c.asked_by_id, ARRAY['operations', 'finance', 'administrator']) THEN
        PERFORM backoffice_refuse('Whoever asked may not ask any more. Ask again.');
    ELSIF p.version <> c.version THEN
        PERFORM backoffice_refuse('The promotion has changed since this was asked. Ask again.');
    END IF;
    UPDATE orders_promotionchange SET state = 'agreed', decided_by_id = p_by,
           decided_at = statement_timestamp(), note = coalesce(p_note, '') WHERE id = c.id;
    UPDATE orders_promotion o SET ({TERMS}) = (SELECT {TERMS} FROM jsonb_populate_record(p, c.terms)),
           is_on = true, change_id = c.id, stopped_at = NULL, stopped_by = '', stop_reason = '',
           version = o.version + 1 WHERE o.id = p.id;
END $$;

CREATE FUNCTION orders_end_promotions() RETURNS SETOF bigint LANGUAGE sql SECURITY DEFINER {PINNED} AS $$
    UPDATE orders_promotioncount c SET ended_at = statement_timestamp(), ended_why = 'date'
      FROM orders_promotion p WHERE p.id = c.promotion_id AND p.is_on
       AND p.ends_at <= statement_timestamp() AND c.ended_at IS NULL
    RETURNING c.promotion_id;
$$;

-- Whoever places orders keeps promotions from being stopped meanwhile, and waits in one order for
-- those of which there are only so many.
CREATE FUNCTION orders_lock_promotions(p_ids bigint[]) RETURNS SETOF orders_promotioncount LANGUAGE plpgsql
SECURITY DEFINER {PINNED} AS $$
BEGIN
    PERFORM FROM orders_promotion WHERE id = ANY (p_ids) ORDER BY id FOR SHARE;
    PERFORM FROM orders_promotioncount c JOIN orders_promotion p ON p.id = c.promotion_id
      WHERE p.id = ANY (p_ids) AND p.is_on AND (p.usage_limit IS NOT NULL OR p.stock_units IS NOT NULL)
      ORDER BY c.promotion_id FOR NO KEY UPDATE OF c;
    RETURN QUERY SELECT c.* FROM orders_promotioncount c WHERE c.promotion_id = ANY (p_ids);
END $$;
"""

REDEEMING = f"""
CREATE FUNCTION orders_redeem() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    p orders_promotion;
    buyer bigint;
BEGIN
    SELECT * INTO p FROM orders_promotion WHERE id = NEW.promotion_id FOR SHARE;
    IF NOT p.is_on THEN
        RAISE EXCEPTION 'Promotion % is off', p.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF p.customer_limit IS NOT NULL THEN
        SELECT customer_id INTO buyer FROM orders_order WHERE id = NEW.order_id;
        PERFORM FROM orders_customer WHERE id = buyer FOR NO KEY UPDATE;
        IF buyer IS NULL OR p.customer_limit <= (SELECT count(*) FROM orders_redemption r
                JOIN orders_order o ON o.id = r.order_id WHERE r.promotion_id = p.id AND o.customer_id = buyer
                AND NOT EXISTS (SELECT FROM orders_redemptionrelease b WHERE b.redemption_id = r.id)) THEN
            RAISE EXCEPTION 'The customer has used promotion % as often as it allows', p.id
                USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    IF p.usage_limit IS NOT NULL OR p.stock_units IS NOT NULL THEN
        UPDATE orders_promotioncount c SET used = used + 1, stock_used = stock_used + NEW.stock_units,
            ended_why = CASE WHEN used + 1 >= p.usage_limit THEN 'limit'
                             WHEN stock_used + NEW.stock_units >= p.stock_units THEN 'stock' ELSE ended_why END,
            ended_at = CASE WHEN used + 1 >= p.usage_limit OR stock_used + NEW.stock_units >= p.stock_units
                            THEN statement_timestamp() ELSE ended_at END
         WHERE c.promotion_id = p.id AND (p.usage_limit IS NULL OR used < p.usage_limit)
           AND (p.stock_units IS NULL OR stock_used + NEW.stock_units <= p.stock_units);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Promotion % is used up', p.id USING ERRCODE = 'restrict_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_redeem BEFORE INSERT ON orders_redemption
    FOR EACH ROW EXECUTE FUNCTION orders_redeem();

CREATE FUNCTION orders_release_redemption() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    r orders_redemption;
BEGIN
    SELECT * INTO r FROM orders_redemption WHERE id = NEW.redemption_id;
    IF NOT EXISTS (SELECT FROM orders_order WHERE id = r.order_id AND cancelled_at IS NOT NULL) THEN
        RAISE EXCEPTION 'Order % stands, so its promotions stay used', r.order_id USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM FROM orders_promotion WHERE id = r.promotion_id FOR SHARE;
    UPDATE orders_promotioncount c SET used = used - 1, stock_used = stock_used - r.stock_units,
           ended_at = CASE WHEN ended_why = 'date' THEN ended_at END,
           ended_why = CASE WHEN ended_why = 'date' THEN ended_why ELSE '' END
      FROM orders_promotion p WHERE p.id = c.promotion_id AND p.id = r.promotion_id
       AND (p.usage_limit IS NOT NULL OR p.stock_units IS NOT NULL);
    RETURN NEW;
END $$;
-- After: a second release of one use fails on its key before anything is counted.
CREATE TRIGGER orders_release_redemption AFTER INSERT ON orders_redemptionrelease
    FOR EACH ROW EXECUTE FUNCTION orders_release_redemption();
"""

# At the end of the transaction what was redeemed is what stands on the lines, on the order and
# within floor and cap.
ADDS_UP = f"""
CREATE FUNCTION orders_check_redeemed(p_order bigint) RETURNS void LANGUAGE plpgsql {PINNED} AS $$
DECLARE
    o orders_order;
    cap numeric;
    margin numeric;
    goods numeric;
BEGIN
    SELECT * INTO o FROM orders_order WHERE id = p_order;
    SELECT min(p.cap_percent), max(p.margin_percent) INTO cap, margin
      FROM orders_redemption r JOIN orders_promotion p ON p.id = r.promotion_id WHERE r.order_id = p_order;
    SELECT sum(line_total) INTO goods FROM orders_orderline WHERE order_id = p_order AND kind = 'stock';
    IF o.discount_on_lines <> (SELECT coalesce(sum(amount), 0) FROM orders_redemption WHERE order_id = p_order)
       OR EXISTS (SELECT FROM orders_redemption r WHERE r.order_id = p_order AND (r.currency <> o.currency
            OR r.amount <> (SELECT sum(amount) FROM orders_redemptionline WHERE redemption_id = r.id)))
       OR EXISTS (SELECT FROM orders_redemptionline x JOIN orders_redemption r ON r.id = x.redemption_id
            JOIN orders_orderline l ON l.id = x.order_line_id
           WHERE r.order_id = p_order AND l.order_id <> p_order)
       OR EXISTS (SELECT FROM orders_orderline l WHERE l.order_id = p_order AND l.discount <>
            (SELECT coalesce(sum(amount), 0) FROM orders_redemptionline WHERE order_line_id = l.id)) THEN
        RAISE EXCEPTION 'The discounts of order % do not add up', p_order USING ERRCODE = 'check_violation';
    ELSIF o.discount_on_lines > goods * cap / 100 THEN
        RAISE EXCEPTION 'The discounts of order % go over their cap', p_order USING ERRCODE = 'check_violation';
    ELSIF EXISTS (SELECT FROM orders_orderline l JOIN inventory_sku s ON s.id = l.sku_id
           WHERE l.order_id = p_order AND l.discount > 0 AND s.cost_currency = o.currency
             AND l.line_total - l.discount - CASE WHEN o.prices_include_tax THEN l.tax ELSE 0 END
               < l.quantity * s.unit_cost * (100 + margin) / 100) THEN
        RAISE EXCEPTION 'A line of order % goes under its floor', p_order USING ERRCODE = 'check_violation';
    END IF;
END $$;

CREATE FUNCTION orders_redeemed_adds_up() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    PERFORM orders_check_redeemed(CASE TG_TABLE_NAME WHEN 'orders_redemptionline'
        THEN (SELECT order_id FROM orders_redemption WHERE id = (to_jsonb(NEW)->>'redemption_id')::bigint)
        ELSE (to_jsonb(NEW)->>'order_id')::bigint END);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER orders_redemption_adds_up AFTER INSERT ON orders_redemption
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_redeemed_adds_up();
CREATE CONSTRAINT TRIGGER orders_redemptionline_adds_up AFTER INSERT ON orders_redemptionline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION orders_redeemed_adds_up();
CREATE CONSTRAINT TRIGGER orders_line_discount_adds_up AFTER INSERT ON orders_orderline
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.discount <> 0)
    EXECUTE FUNCTION orders_redeemed_adds_up();

-- What was given when the order was placed stays, whatever changes later.
CREATE FUNCTION orders_discount_stays() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    RAISE EXCEPTION 'What promotions gave an order does not change after it was placed'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER orders_line_discount_stays BEFORE UPDATE ON orders_orderline FOR EACH ROW
    WHEN ((OLD.discount, OLD.discount_tax) IS DISTINCT FROM (NEW.discount, NEW.discount_tax))
    EXECUTE FUNCTION orders_discount_stays();
CREATE TRIGGER orders_discount_stays BEFORE UPDATE ON orders_order FOR EACH ROW
    WHEN (OLD.discount_on_lines <> NEW.discount_on_lines) EXECUTE FUNCTION orders_discount_stays();
"""

CLOSED = """
REVOKE EXECUTE ON FUNCTION orders_promotion_agreed(), orders_promotion_counted(), orders_redeem(),
    orders_release_redemption(), orders_ask_promotion(bigint, jsonb, text, bigint),
    orders_decide_promotion(bigint, boolean, text, bigint), orders_end_promotions(),
    orders_lock_promotions(bigint[]) FROM PUBLIC;
"""
UNDO = """
DROP TRIGGER orders_discount_stays ON orders_order;
DROP TRIGGER orders_line_discount_stays ON orders_orderline;
DROP TRIGGER orders_line_discount_adds_up ON orders_orderline;
DROP TRIGGER orders_redemptionline_adds_up ON orders_redemptionline;
DROP TRIGGER orders_redemption_adds_up ON orders_redemption;
DROP TRIGGER orders_release_redemption ON orders_redemptionrelease;
DROP TRIGGER orders_redeem ON orders_redemption;
DROP TRIGGER orders_promotion_counted ON orders_promotion;
DROP TRIGGER orders_promotion_agreed ON orders_promotion;
DROP FUNCTION orders_discount_stays, orders_redeemed_adds_up, orders_check_redeemed, orders_release_redemption,
    orders_redeem, orders_lock_promotions, orders_end_promotions, orders_decide_promotion,
    orders_ask_promotion, orders_promotion_counted, orders_promotion_agreed, orders_promotion_terms;
"""
EVERYONE = list(ROLES)


class Migration(migrations.Migration):
    dependencies = [("orders", "0090_promotions"), ("backoffice", "0052_lent_roles")]

    operations = [
        migrations.RunSQL([TERMS_GUARD, ASKING, REDEEMING, ADDS_UP, CLOSED], UNDO),
        append_only("orders_redemption"),
        append_only("orders_redemptionline"),
        append_only("orders_redemptionrelease"),
        grant(
            "orders",
            {
                "view_promotion": EVERYONE,
                "view_promotionchange": EVERYONE,
                "view_redemption": EVERYONE,
                "add_promotion": [OPERATIONS, FINANCE, ADMINISTRATOR],
                "change_promotion": [OPERATIONS, FINANCE, ADMINISTRATOR],
                "agree_promotion": [FINANCE],
                "stop_promotion": [OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR],
            },
        ),
    ]
