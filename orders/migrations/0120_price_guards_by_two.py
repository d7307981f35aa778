"""A lower floor, or a wider move of prices, takes two people of finance. Tightening takes one.

Whoever sets floors alone could sell at any price with the help of nobody: a floor of zero first,
the price after. What waits stands in a table of its own, which the application only reads.
"""

from decimal import Decimal

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from backoffice.roles import ROLES, grant

BEYOND = Decimal("1000000000000000")
PINNED = "SET search_path = pg_catalog, public, pg_temp"
OWNER = "current_user = (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = TG_RELID)"

# A set floor is lowered, or taken away; where none is set, one below what a unit costs us is looser.
GUARDS = f"""
CREATE FUNCTION orders_least_price(p_channel bigint, p_sku bigint, p_currency text) RETURNS numeric
LANGUAGE sql STABLE {PINNED} AS $$
    SELECT f.amount FROM orders_pricefloor f WHERE f.channel_id = p_channel AND f.sku_id = p_sku
       AND f.currency = p_currency ORDER BY f.id DESC LIMIT 1;
$$;

CREATE FUNCTION orders_floor_is_looser(p_channel bigint, p_sku bigint, p_currency text, p_amount numeric)
RETURNS boolean LANGUAGE sql STABLE {PINNED} AS $$
    SELECT CASE WHEN set_to.amount IS NOT NULL THEN coalesce(p_amount < set_to.amount, true)
                ELSE coalesce(p_amount < (SELECT f.amount FROM orders_price_floor(p_channel, p_sku, p_currency) f), false) END
      FROM (SELECT orders_least_price(p_channel, p_sku, p_currency) AS amount) set_to;
$$;

CREATE FUNCTION orders_floor_guard() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF {OWNER} THEN
        RETURN NEW;  -- orders_decide_price_guard, by two people
    END IF;
    PERFORM FROM inventory_sku WHERE id = NEW.sku_id FOR NO KEY UPDATE;
    IF orders_floor_is_looser(NEW.channel_id, NEW.sku_id, NEW.currency, NEW.amount) THEN
        PERFORM backoffice_refuse('A lower floor takes two people of finance.');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_floor_guard BEFORE INSERT ON orders_pricefloor
    FOR EACH ROW EXECUTE FUNCTION orders_floor_guard();

CREATE FUNCTION orders_variance_guard() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    IF {OWNER} THEN
        RETURN NEW;
    END IF;
    PERFORM backoffice_refuse('That prices may move further takes two people of finance.');
END $$;
CREATE TRIGGER orders_variance_guard BEFORE UPDATE ON orders_channel FOR EACH ROW
    WHEN (NEW.price_variance > OLD.price_variance) EXECUTE FUNCTION orders_variance_guard();
CREATE TRIGGER orders_variance_begins BEFORE INSERT ON orders_channel FOR EACH ROW
    WHEN (NEW.price_variance > 30) EXECUTE FUNCTION orders_variance_guard();

-- What is set meanwhile is not what whoever agreed would have looked at.
CREATE FUNCTION orders_floor_set() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
BEGIN
    UPDATE orders_priceguardchange SET state = 'replaced', decided_at = clock_timestamp()
     WHERE state = 'waiting' AND channel_id = NEW.channel_id AND sku_id = NEW.sku_id;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_floor_set AFTER INSERT ON orders_pricefloor
    FOR EACH ROW EXECUTE FUNCTION orders_floor_set();
CREATE FUNCTION orders_variance_set() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
BEGIN
    UPDATE orders_priceguardchange SET state = 'replaced', decided_at = clock_timestamp()
     WHERE state = 'waiting' AND channel_id = NEW.id AND sku_id IS NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_variance_set AFTER UPDATE ON orders_channel FOR EACH ROW
    WHEN (NEW.price_variance <> OLD.price_variance) EXECUTE FUNCTION orders_variance_set();
REVOKE EXECUTE ON FUNCTION orders_floor_set(), orders_variance_set() FROM PUBLIC;

CREATE FUNCTION orders_price_guard_stays() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    RAISE EXCEPTION 'What was asked of a price guard stands as it was asked and decided'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER orders_price_guard_stays BEFORE UPDATE ON orders_priceguardchange FOR EACH ROW WHEN (
    OLD.state <> 'waiting' OR (OLD.channel_id, OLD.sku_id, OLD.amount, OLD.percent, OLD.asked_by_id)
       IS DISTINCT FROM (NEW.channel_id, NEW.sku_id, NEW.amount, NEW.percent, NEW.asked_by_id)
) EXECUTE FUNCTION orders_price_guard_stays();
CREATE TRIGGER orders_price_guard_kept BEFORE DELETE ON orders_priceguardchange
    FOR EACH ROW EXECUTE FUNCTION orders_price_guard_stays();
CREATE TRIGGER orders_price_guard_decided AFTER UPDATE OF state ON orders_priceguardchange FOR EACH ROW
    WHEN (OLD.state = 'waiting' AND NEW.state <> 'waiting') EXECUTE FUNCTION backoffice_asked_is_over('looser');
CREATE TRIGGER orders_signal_decided AFTER UPDATE ON orders_risksignal FOR EACH ROW
    WHEN (OLD.wanted IS NOT NULL AND (NEW.wanted, NEW.wanted_by_id) IS DISTINCT FROM (OLD.wanted, OLD.wanted_by_id))
    EXECUTE FUNCTION backoffice_asked_is_over('signal');
"""
NO_GUARDS = """
DROP TRIGGER orders_signal_decided ON orders_risksignal;
DROP TRIGGER orders_price_guard_decided ON orders_priceguardchange;
DROP TRIGGER orders_price_guard_kept ON orders_priceguardchange;
DROP TRIGGER orders_price_guard_stays ON orders_priceguardchange;
DROP TRIGGER orders_variance_set ON orders_channel;
DROP TRIGGER orders_floor_set ON orders_pricefloor;
DROP TRIGGER orders_variance_begins ON orders_channel;
DROP TRIGGER orders_variance_guard ON orders_channel;
DROP TRIGGER orders_floor_guard ON orders_pricefloor;
DROP FUNCTION orders_price_guard_stays, orders_variance_set, orders_floor_set, orders_variance_guard, orders_floor_guard;
DROP FUNCTION orders_floor_is_looser(bigint, bigint, text, numeric);
DROP FUNCTION orders_least_price(bigint, bigint, text);
"""

DOORS = f"""
-- `p_sku` NULL: how far the prices of the channel may move, else the least price of the product.
CREATE FUNCTION orders_ask_price_guard(
    p_channel bigint, p_sku bigint, p_amount numeric, p_percent int, p_why text, p_by bigint
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    c orders_channel;
    held numeric;
    fresh bigint;
BEGIN
    IF p_sku IS NULL THEN
        PERFORM FROM orders_channel WHERE id = p_channel FOR NO KEY UPDATE;
    ELSE
        PERFORM FROM inventory_sku WHERE id = p_sku FOR NO KEY UPDATE;
    END IF;
    SELECT * INTO c FROM orders_channel WHERE id = p_channel;
    IF c.id IS NULL OR NOT backoffice_holds(p_by, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Finance decides what lets prices go lower or move further.');
    ELSIF btrim(coalesce(p_why, '')) = '' THEN
        PERFORM backoffice_refuse('Say why, so that whoever agrees knows.');
    ELSIF p_sku IS NULL AND NOT coalesce(p_percent > c.price_variance AND p_percent <= 1000, false)
          OR p_sku IS NOT NULL AND NOT orders_floor_is_looser(c.id, p_sku, c.currency, p_amount) THEN
        PERFORM backoffice_refuse('This lets nothing more through than now: it needs nobody else.');
    END IF;
    held := c.price_variance;
    IF p_sku IS NOT NULL THEN
        SELECT f.amount INTO held FROM orders_price_floor(c.id, p_sku, c.currency) f;
    END IF;
    UPDATE orders_priceguardchange SET state = 'replaced', decided_by_id = p_by, decided_at = clock_timestamp()
     WHERE state = 'waiting' AND channel_id = c.id AND sku_id IS NOT DISTINCT FROM p_sku;
    INSERT INTO orders_priceguardchange (channel_id, sku_id, currency, amount, percent, was, why, state, asked_by_id)
    VALUES (c.id, p_sku, c.currency, CASE WHEN p_sku IS NOT NULL THEN p_amount END,
            CASE WHEN p_sku IS NULL THEN p_percent END, held, left(p_why, 300), 'waiting', p_by)
    RETURNING id INTO fresh;
    RETURN fresh;
END $$;

CREATE FUNCTION orders_decide_price_guard(p_change bigint, p_agree boolean, p_by bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    g orders_priceguardchange;
    held numeric;
BEGIN
    SELECT * INTO g FROM orders_priceguardchange WHERE id = p_change;
    IF g.sku_id IS NULL THEN
        PERFORM FROM orders_channel WHERE id = g.channel_id FOR NO KEY UPDATE;
        SELECT price_variance INTO held FROM orders_channel WHERE id = g.channel_id;
    ELSE
        PERFORM FROM inventory_sku WHERE id = g.sku_id FOR NO KEY UPDATE;
        SELECT f.amount INTO held FROM orders_price_floor(g.channel_id, g.sku_id, g.currency) f;
    END IF;
    SELECT * INTO g FROM orders_priceguardchange WHERE id = p_change FOR UPDATE;
    IF g.id IS NULL OR g.state <> 'waiting' THEN
        PERFORM backoffice_refuse('Nobody waits for this any more. Look again.');
    ELSIF NOT backoffice_holds(p_by, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Another one of finance has to agree.');
    ELSIF p_agree IS NOT TRUE THEN
        UPDATE orders_priceguardchange SET state = 'kept', decided_by_id = p_by, decided_at = clock_timestamp()
         WHERE id = g.id;
        RETURN;
    ELSIF NOT backoffice_apart(g.asked_by_id, p_by, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('You asked for this, or one of you has their role through the other: someone else has to agree.');
    ELSIF NOT backoffice_holds(g.asked_by_id, ARRAY['finance'])
          OR g.asked_at < statement_timestamp() - interval '30 days' THEN
        PERFORM backoffice_refuse('Who asked is of finance no more, or it is over 30 days old. Ask again.');
    ELSIF held IS DISTINCT FROM g.was AND (g.was IS NULL OR held > g.was OR g.sku_id IS NULL) THEN
        PERFORM backoffice_refuse('What holds now has changed since this was asked. Ask again.');
    END IF;
    UPDATE orders_priceguardchange SET state = 'agreed', decided_by_id = p_by, decided_at = clock_timestamp()
     WHERE id = g.id;
    IF g.sku_id IS NULL THEN
        UPDATE orders_channel SET price_variance = g.percent, version = version + 1 WHERE id = g.channel_id;
    ELSE
        INSERT INTO orders_pricefloor (channel_id, sku_id, currency, amount, why, actor_kind, actor_label)
        SELECT g.channel_id, g.sku_id, g.currency, g.amount, g.why, 'person',
               coalesce(nullif(btrim(u.first_name || ' ' || u.last_name), ''), u.username)
          FROM backoffice_user u WHERE u.id = g.asked_by_id;
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION orders_ask_price_guard(bigint, bigint, numeric, int, text, bigint),
    orders_decide_price_guard(bigint, boolean, bigint) FROM PUBLIC;
"""
NO_DOORS = """
DROP FUNCTION orders_decide_price_guard(bigint, boolean, bigint);
DROP FUNCTION orders_ask_price_guard(bigint, bigint, numeric, int, text, bigint);
"""

PROTECT = django.db.models.deletion.PROTECT
PERSON = {"db_index": False, "on_delete": PROTECT, "related_name": "+", "to": settings.AUTH_USER_MODEL}


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0056_notices_over"),
        ("inventory", "0030_customs_data"),
        ("orders", "0119_conflicts"),
    ]

    operations = [
        migrations.CreateModel(
            name="PriceGuardChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("currency", models.CharField(max_length=3)),
                ("amount", models.DecimalField(decimal_places=4, max_digits=19, null=True)),
                ("percent", models.SmallIntegerField(null=True)),
                ("was", models.DecimalField(decimal_places=4, max_digits=19, null=True)),
                ("why", models.CharField(max_length=300)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waits for a second person"),
                            ("agreed", "Agreed"),
                            ("kept", "Left as it was"),
                            ("replaced", "Asked or set anew"),
                        ],
                        max_length=8,
                    ),
                ),
                ("asked_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("decided_at", models.DateTimeField(null=True)),
                ("channel", models.ForeignKey(on_delete=PROTECT, related_name="+", to="orders.channel")),
                ("sku", models.ForeignKey(db_index=False, null=True, on_delete=PROTECT, related_name="+", to="inventory.sku")),
                ("asked_by", models.ForeignKey(**PERSON)),
                ("decided_by", models.ForeignKey(null=True, **PERSON)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("sku__isnull", False), ("state", "waiting")),
                        fields=("channel", "sku"),
                        name="floor_asked_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("sku__isnull", True), ("state", "waiting")),
                        fields=("channel",),
                        name="variance_asked_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("amount__isnull", True), ("percent__isnull", False), ("sku__isnull", True)),
                            models.Q(("percent__isnull", True), ("sku__isnull", False)),
                            _connector="OR",
                        ),
                        name="price_guard_of_one",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount__isnull", True), models.Q(("amount__gte", 0), ("amount__lt", BEYOND)), _connector="OR"
                        ),
                        name="price_guard_is_a_number",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "agreed"), _negated=True),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(("asked_by", models.F("decided_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="price_guard_by_two",
                    ),
                ],
            },
        ),
        migrations.RunSQL(GUARDS, NO_GUARDS),
        migrations.RunSQL(DOORS, NO_DOORS),
        grant("orders", {"view_priceguardchange": list(ROLES)}),
    ]
