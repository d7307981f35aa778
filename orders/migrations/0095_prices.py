"""Prices over time, changes that wait for a person, rates, and what PostgreSQL holds of them."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, FINANCE, OPERATIONS, ROLES, grant

PINNED = "SET search_path = pg_catalog, public, pg_temp"

# What a price is held against, told once for services, lists and guards. A price that moves by more
# percent than its channel allows, from the one before, from the one of a day before (many small
# steps add up; what a person agreed to starts anew) or towards the next one, waits for a person;
# so does one under the floor: the set minimum, else what a unit costs us.
JUDGE = f"""
CREATE FUNCTION orders_rate_id(p_base text, p_quote text) RETURNS bigint LANGUAGE sql STABLE {PINNED} AS $$
    SELECT r.id FROM orders_exchangerate r WHERE r.base = p_base AND r.quote = p_quote
     ORDER BY r.on_date DESC, r.id DESC LIMIT 1;
$$;

CREATE FUNCTION orders_price_floor(p_channel bigint, p_sku bigint, p_currency text)
RETURNS TABLE (amount numeric, origin text) LANGUAGE sql STABLE {PINNED} AS $$
    SELECT coalesce(m.amount, c.amount),
           CASE WHEN m.amount IS NOT NULL THEN 'minimum' WHEN c.amount IS NOT NULL THEN 'cost' ELSE '' END
      FROM inventory_sku s
      LEFT JOIN LATERAL (SELECT f.amount FROM orders_pricefloor f WHERE f.channel_id = p_channel
          AND f.sku_id = s.id AND f.currency = p_currency ORDER BY f.id DESC LIMIT 1) m ON true
      LEFT JOIN LATERAL (SELECT round(s.unit_cost * CASE WHEN s.cost_currency = p_currency THEN 1
          ELSE coalesce(
              (SELECT r.rate FROM orders_exchangerate r WHERE r.id = orders_rate_id(s.cost_currency, p_currency)),
              (SELECT 1 / r.rate FROM orders_exchangerate r WHERE r.id = orders_rate_id(p_currency, s.cost_currency))
          ) END, 4) AS amount) c ON true
     WHERE s.id = p_sku;
$$;

CREATE FUNCTION orders_judge_price(
    p_channel bigint, p_sku bigint, p_currency text, p_amount numeric, p_starts timestamptz
) RETURNS TABLE (was_id bigint, was numeric, allowed smallint, variance numeric, floor numeric, floor_from text,
                 over_variance boolean, under_floor boolean) LANGUAGE sql STABLE {PINNED} AS $$
    SELECT w.id, w.amount, c.price_variance, v.percent, f.amount, coalesce(f.origin, ''),
           coalesce(v.too_far, false), coalesce(p_amount < f.amount, false)
      FROM orders_channel c
      LEFT JOIN LATERAL (SELECT p.id, p.amount FROM orders_price p
          WHERE p.sku_id = p_sku AND p.channel_id = c.id AND p.currency = p_currency AND p.starts_at <= p_starts
          ORDER BY p.starts_at DESC, p.id DESC LIMIT 1) w ON true
      LEFT JOIN LATERAL (SELECT coalesce(
          (SELECT p.amount FROM orders_price p
            WHERE p.sku_id = p_sku AND p.channel_id = c.id AND p.currency = p_currency AND p.starts_at <= p_starts
              AND (p.change_id IS NOT NULL OR p.starts_at <= p_starts - interval '24 hours')
            ORDER BY p.starts_at DESC, p.id DESC LIMIT 1),
          (SELECT p.amount FROM orders_price p
            WHERE p.sku_id = p_sku AND p.channel_id = c.id AND p.currency = p_currency AND p.starts_at <= p_starts
            ORDER BY p.starts_at, p.id LIMIT 1)) AS amount) d ON true
      LEFT JOIN LATERAL (SELECT p.amount FROM orders_price p
          WHERE p.sku_id = p_sku AND p.channel_id = c.id AND p.currency = p_currency AND p.starts_at > p_starts
          ORDER BY p.starts_at, p.id LIMIT 1) n ON true
      LEFT JOIN LATERAL (
          SELECT max(round(abs(t - f) * 100 / f, 1)) AS percent, bool_or(abs(t - f) * 100 > c.price_variance * f) AS too_far
            FROM (VALUES (w.amount, p_amount), (d.amount, p_amount), (p_amount, n.amount)) AS steps (f, t)) v ON true
      LEFT JOIN LATERAL orders_price_floor(c.id, p_sku, p_currency) f ON true
     WHERE c.id = p_channel;
$$;
"""
NO_JUDGE = """
DROP FUNCTION orders_judge_price(bigint, bigint, text, numeric, timestamptz);
DROP FUNCTION orders_price_floor(bigint, bigint, text);
DROP FUNCTION orders_rate_id(text, text);
"""

# Whoever writes a price: the product's lock decides between two at once, no price begins in the
# past, and one out of bounds comes with exactly the change that a person agreed to.
GUARD = f"""
CREATE FUNCTION orders_price_guard() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
DECLARE
    judged record;
BEGIN
    PERFORM FROM inventory_sku WHERE id = NEW.sku_id FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM orders_channel WHERE id = NEW.channel_id AND currency = NEW.currency) THEN
        RAISE EXCEPTION 'Channel % does not sell in %', NEW.channel_id, NEW.currency
            USING ERRCODE = 'restrict_violation';
    ELSIF NEW.starts_at < now() - interval '1 minute' THEN
        RAISE EXCEPTION 'A price does not begin in the past' USING ERRCODE = 'restrict_violation';
    END IF;
    SELECT * INTO judged FROM orders_judge_price(
        NEW.channel_id, NEW.sku_id, NEW.currency, NEW.amount, NEW.starts_at);
    NEW.was := judged.was;
    IF NEW.change_id IS NOT NULL THEN
        IF NOT EXISTS (SELECT FROM orders_pricechange c WHERE c.id = NEW.change_id AND c.state = 'agreed'
              AND (c.channel_id, c.sku_id, c.currency, c.amount)
                = (NEW.channel_id, NEW.sku_id, NEW.currency, NEW.amount)) THEN
            RAISE EXCEPTION 'Nobody agreed to this price' USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF judged.over_variance OR judged.under_floor THEN
        RAISE EXCEPTION 'Price % of product % is out of bounds, and nobody agreed to it', NEW.amount, NEW.sku_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_price_guard BEFORE INSERT ON orders_price
    FOR EACH ROW EXECUTE FUNCTION orders_price_guard();

CREATE FUNCTION orders_price_change_stays() RETURNS trigger LANGUAGE plpgsql {PINNED} AS $$
BEGIN
    RAISE EXCEPTION 'A price change stands as it was asked and decided' USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER orders_price_change_stays BEFORE UPDATE ON orders_pricechange FOR EACH ROW WHEN (
    OLD.state <> 'waiting'
    OR (OLD.channel_id, OLD.sku_id, OLD.currency, OLD.amount, OLD.starts_at, OLD.was_id, OLD.asked_by_id, OLD.asked_at)
       IS DISTINCT FROM
       (NEW.channel_id, NEW.sku_id, NEW.currency, NEW.amount, NEW.starts_at, NEW.was_id, NEW.asked_by_id, NEW.asked_at)
) EXECUTE FUNCTION orders_price_change_stays();
CREATE TRIGGER orders_price_change_kept BEFORE DELETE ON orders_pricechange
    FOR EACH ROW EXECUTE FUNCTION orders_price_change_stays();
"""
NO_GUARD = """
DROP TRIGGER orders_price_change_kept ON orders_pricechange;
DROP TRIGGER orders_price_change_stays ON orders_pricechange;
DROP TRIGGER orders_price_guard ON orders_price;
DROP FUNCTION orders_price_change_stays, orders_price_guard;
"""

# The application asks and decides through these. What was asked is judged here once more, and only
# somebody of finance who did not ask agrees. A price that changed meanwhile is not overwritten.
DOORS = f"""
CREATE FUNCTION orders_ask_prices(p_rows jsonb) RETURNS TABLE (place bigint, change bigint, fresh boolean)
LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    r record;
    j record;
    known orders_pricechange;
BEGIN
    FOR r IN SELECT x.* FROM jsonb_to_recordset(p_rows) AS x (place bigint, channel bigint, sku bigint, currency text,
        amount numeric, starts timestamptz, origin text, rate bigint, why text, kind text, label text, person bigint,
        run bigint) ORDER BY x.sku, x.place
    LOOP
        PERFORM FROM inventory_sku WHERE id = r.sku FOR NO KEY UPDATE;
        SELECT * INTO j FROM orders_judge_price(
            r.channel, r.sku, r.currency, r.amount, coalesce(r.starts, clock_timestamp()));
        SELECT * INTO known FROM orders_pricechange c WHERE c.sku_id = r.sku AND c.channel_id = r.channel
           AND c.currency = r.currency AND c.state = 'waiting' FOR UPDATE;
        place := r.place;
        IF known.id IS NOT NULL AND known.amount = r.amount AND known.starts_at IS NOT DISTINCT FROM r.starts
           AND known.was_id IS NOT DISTINCT FROM j.was_id THEN
            change := known.id;
            fresh := false;
            RETURN NEXT;
            CONTINUE;
        END IF;
        UPDATE orders_pricechange SET state = 'replaced', decided_at = clock_timestamp(), decided_label = r.label
         WHERE id = known.id;
        INSERT INTO orders_pricechange (channel_id, sku_id, currency, amount, starts_at, state, was_id, variance,
            "limit", floor, floor_from, over_variance, under_floor, origin, rate_id, why, actor_kind, actor_label,
            asked_by_id, run_id, decided_label, note)
        VALUES (r.channel, r.sku, r.currency, r.amount, r.starts, 'waiting', j.was_id, j.variance, j.allowed, j.floor,
            j.floor_from, j.over_variance, j.under_floor, r.origin, r.rate, r.why, r.kind, r.label, r.person, r.run,
            '', '')
        RETURNING id INTO change;
        fresh := true;
        RETURN NEXT;
    END LOOP;
END $$;

CREATE FUNCTION orders_decide_price(p_change bigint, p_verdict text, p_person bigint, p_note text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER {PINNED} AS $$
DECLARE
    c orders_pricechange;
    who record;
    begins timestamptz;
    now_id bigint;
    price bigint;
BEGIN
    SELECT * INTO c FROM orders_pricechange WHERE id = p_change;
    PERFORM FROM inventory_sku WHERE id = c.sku_id FOR NO KEY UPDATE;
    SELECT * INTO c FROM orders_pricechange WHERE id = p_change FOR UPDATE;
    SELECT u.is_active, coalesce(nullif(btrim(u.first_name || ' ' || u.last_name), ''), u.username) AS name
      INTO who FROM backoffice_user u WHERE u.id = p_person;
    IF c.id IS NULL THEN
        PERFORM backoffice_refuse('There is no such price change.');
    ELSIF who.is_active IS NOT TRUE THEN
        PERFORM backoffice_refuse('Only a person decides about a price.');
    ELSIF c.state <> 'waiting' THEN
        PERFORM backoffice_refuse(c.decided_label || ' was faster: this does not wait any more.');
    ELSIF p_verdict = 'withdrawn' THEN
        IF c.asked_by_id IS DISTINCT FROM p_person THEN
            PERFORM backoffice_refuse('Only who asked for a price withdraws it.');
        END IF;
    ELSIF p_verdict IS NULL OR p_verdict NOT IN ('agreed', 'refused') THEN
        PERFORM backoffice_refuse('Agree or refuse.');
    ELSIF NOT backoffice_holds(p_person, ARRAY['finance']) THEN
        PERFORM backoffice_refuse('Somebody of finance has to decide.');
    ELSIF p_verdict = 'agreed' AND c.asked_by_id = p_person THEN
        PERFORM backoffice_refuse('You asked for this price: somebody else has to agree.');
    END IF;
    IF p_verdict = 'agreed' THEN
        begins := greatest(c.starts_at, clock_timestamp());
        SELECT p.id INTO now_id FROM orders_price p WHERE p.sku_id = c.sku_id AND p.channel_id = c.channel_id
           AND p.currency = c.currency AND p.starts_at <= begins ORDER BY p.starts_at DESC, p.id DESC LIMIT 1;
        IF now_id IS DISTINCT FROM c.was_id THEN
            PERFORM backoffice_refuse('The price was changed since this was asked. Refuse it, or ask anew.');
        END IF;
    END IF;
    UPDATE orders_pricechange SET state = p_verdict, decided_at = clock_timestamp(), decided_by_id = p_person,
           decided_label = who.name, note = p_note WHERE id = c.id;
    IF p_verdict = 'agreed' THEN
        INSERT INTO orders_price (channel_id, sku_id, currency, amount, starts_at, change_id, origin, rate_id, why,
            actor_kind, actor_label, user_id, run_id)
        VALUES (c.channel_id, c.sku_id, c.currency, c.amount, begins, c.id, c.origin, c.rate_id, c.why,
            c.actor_kind, c.actor_label, c.asked_by_id, c.run_id)
        RETURNING id INTO price;
    END IF;
    RETURN price;
END $$;
REVOKE EXECUTE ON FUNCTION orders_ask_prices(jsonb), orders_decide_price(bigint, text, bigint, text) FROM PUBLIC;
"""
NO_DOORS = """
DROP FUNCTION orders_decide_price(bigint, text, bigint, text);
DROP FUNCTION orders_ask_prices(jsonb);
"""

# An order whose prices are out of bounds is let go by a verdict alone, as a suspect is.
VERDICTS = """
CREATE OR REPLACE FUNCTION orders_verdict_first() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM orders_review r JOIN orders_order o ON o.id = r.order_id
               WHERE r.order_id = NEW.order_id AND r.state = 'open' AND o.cancelled_at IS NULL
               AND r.kind = CASE NEW.reason WHEN 'fraud' THEN 'fraud' WHEN 'price_check' THEN 'price'
                                 ELSE 'credit' END) THEN
        RAISE EXCEPTION 'Order % waits for a verdict: its hold is not released', NEW.order_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER orders_verdict_first ON orders_hold;
CREATE TRIGGER orders_verdict_first BEFORE UPDATE OF released_at ON orders_hold FOR EACH ROW
    WHEN (OLD.released_at IS NULL AND NEW.released_at IS NOT NULL
          AND NEW.reason IN ('fraud', 'approval', 'price_check'))
    EXECUTE FUNCTION orders_verdict_first();
"""
NO_VERDICTS = """
DROP TRIGGER orders_verdict_first ON orders_hold;
CREATE TRIGGER orders_verdict_first BEFORE UPDATE OF released_at ON orders_hold FOR EACH ROW
    WHEN (OLD.released_at IS NULL AND NEW.released_at IS NOT NULL AND NEW.reason IN ('fraud', 'approval'))
    EXECUTE FUNCTION orders_verdict_first();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('backoffice', '0052_lent_roles'),
        ('inventory', '0030_customs_data'),
        ('orders', '0100_preorders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ExchangeRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('base', models.CharField(max_length=3)),
                ('quote', models.CharField(max_length=3)),
                ('rate', models.DecimalField(decimal_places=8, max_digits=18)),
                ('on_date', models.DateField(verbose_name='of')),
                ('source', models.CharField(max_length=80)),
                ('noted_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('rule', 'rule'), ('outside', 'outside'), ('import', 'import'), ('system', 'system')], max_length=10)),
                ('actor_label', models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3)),
                ('amount', models.DecimalField(decimal_places=4, max_digits=19)),
                ('was', models.DecimalField(decimal_places=4, max_digits=19, null=True)),
                ('starts_at', models.DateTimeField()),
                ('origin', models.CharField(choices=[('hand', 'By hand'), ('file', 'From a file'), ('rule', 'By a rule'), ('rate', 'Follows another channel')], max_length=8)),
                ('why', models.CharField(blank=True, max_length=300)),
                ('set_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('rule', 'rule'), ('outside', 'outside'), ('import', 'import'), ('system', 'system')], max_length=10)),
                ('actor_label', models.CharField(max_length=200)),
                ('run_id', models.BigIntegerField(null=True)),
            ],
            options={
                'permissions': [('agree_price', 'Can agree to prices that wait'), ('guard_price', 'Can set price floors and how far prices may move')],
            },
        ),
        migrations.CreateModel(
            name='PriceChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3)),
                ('amount', models.DecimalField(decimal_places=4, max_digits=19)),
                ('starts_at', models.DateTimeField(null=True)),
                ('state', models.CharField(choices=[('waiting', 'Waits'), ('agreed', 'Agreed'), ('refused', 'Refused'), ('withdrawn', 'Withdrawn'), ('replaced', 'Asked anew')], default='waiting', max_length=10)),
                ('variance', models.DecimalField(decimal_places=1, max_digits=12, null=True)),
                ('limit', models.SmallIntegerField()),
                ('floor', models.DecimalField(decimal_places=4, max_digits=19, null=True)),
                ('floor_from', models.CharField(blank=True, max_length=10)),
                ('over_variance', models.BooleanField()),
                ('under_floor', models.BooleanField()),
                ('origin', models.CharField(choices=[('hand', 'By hand'), ('file', 'From a file'), ('rule', 'By a rule'), ('rate', 'Follows another channel')], max_length=8)),
                ('why', models.CharField(blank=True, max_length=300)),
                ('asked_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('rule', 'rule'), ('outside', 'outside'), ('import', 'import'), ('system', 'system')], max_length=10)),
                ('actor_label', models.CharField(max_length=200)),
                ('run_id', models.BigIntegerField(null=True)),
                ('decided_at', models.DateTimeField(null=True)),
                ('decided_label', models.CharField(blank=True, max_length=200)),
                ('note', models.CharField(blank=True, max_length=300)),
            ],
        ),
        migrations.CreateModel(
            name='PriceFloor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('currency', models.CharField(max_length=3)),
                ('amount', models.DecimalField(decimal_places=4, max_digits=19, null=True)),
                ('why', models.CharField(max_length=300)),
                ('set_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('rule', 'rule'), ('outside', 'outside'), ('import', 'import'), ('system', 'system')], max_length=10)),
                ('actor_label', models.CharField(max_length=200)),
            ],
        ),
        migrations.AddField(
            model_name='channel',
            name='price_variance',
            field=models.SmallIntegerField(default=30, verbose_name='prices may move by'),
        ),
        migrations.AddField(
            model_name='channel',
            name='prices_from',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='followers', to='orders.channel'),
        ),
        migrations.AddField(
            model_name='historicalchannel',
            name='price_variance',
            field=models.SmallIntegerField(default=30, verbose_name='prices may move by'),
        ),
        migrations.AddField(
            model_name='historicalchannel',
            name='prices_from',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='orders.channel'),
        ),
        migrations.AlterField(
            model_name='review',
            name='kind',
            field=models.CharField(choices=[('fraud', 'Possible fraud'), ('address', 'Address'), ('duplicate', 'Possible duplicate'), ('credit', 'Over the credit limit'), ('price', 'Price out of bounds')], max_length=10),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('price_variance__gte', 0), ('price_variance__lte', 1000)), name='channel_price_variance'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('prices_from__isnull', True), models.Q(('prices_from', models.F('id')), _negated=True), _connector='OR'), name='channel_follows_another'),
        ),
        migrations.AddIndex(
            model_name='exchangerate',
            index=models.Index(fields=['base', 'quote', '-on_date', '-id'], name='rate_newest'),
        ),
        migrations.AddConstraint(
            model_name='exchangerate',
            constraint=models.CheckConstraint(condition=models.Q(('base__regex', '^[A-Z]{3}$'), ('quote__regex', '^[A-Z]{3}$'), ('rate__gt', 0), models.Q(('base', models.F('quote')), _negated=True)), name='rate_between_two_currencies'),
        ),
        migrations.AddField(
            model_name='price',
            name='channel',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.channel'),
        ),
        migrations.AddField(
            model_name='price',
            name='rate',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.exchangerate'),
        ),
        migrations.AddField(
            model_name='price',
            name='sku',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='prices', to='inventory.sku'),
        ),
        migrations.AddField(
            model_name='price',
            name='user',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='asked_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='channel',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.channel'),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='decided_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='rate',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.exchangerate'),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='sku',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='price_changes', to='inventory.sku'),
        ),
        migrations.AddField(
            model_name='pricechange',
            name='was',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.price'),
        ),
        migrations.AddField(
            model_name='price',
            name='change',
            field=models.OneToOneField(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='price', to='orders.pricechange'),
        ),
        migrations.AddField(
            model_name='pricefloor',
            name='channel',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.channel'),
        ),
        migrations.AddField(
            model_name='pricefloor',
            name='sku',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='inventory.sku'),
        ),
        migrations.AddIndex(
            model_name='pricechange',
            index=models.Index(fields=['-asked_at', '-id'], name='price_change_newest'),
        ),
        migrations.AddConstraint(
            model_name='pricechange',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'waiting')), fields=('sku', 'channel', 'currency'), name='price_change_waits_once'),
        ),
        migrations.AddConstraint(
            model_name='pricechange',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='price_change_above_zero'),
        ),
        migrations.AddConstraint(
            model_name='pricechange',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'agreed'), _negated=True), models.Q(('decided_by__isnull', False), models.Q(('asked_by__isnull', True), models.Q(('asked_by', models.F('decided_by')), _negated=True), _connector='OR')), _connector='OR'), name='price_agreed_by_another'),
        ),
        migrations.AddIndex(
            model_name='price',
            index=models.Index(fields=['sku', 'channel', 'currency', '-starts_at', '-id'], name='price_valid'),
        ),
        migrations.AddIndex(
            model_name='price',
            index=models.Index(fields=['channel', 'sku'], name='price_of_channel'),
        ),
        migrations.AddConstraint(
            model_name='price',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='price_above_zero'),
        ),
        migrations.AddIndex(
            model_name='pricefloor',
            index=models.Index(fields=['sku', 'channel', 'currency', '-id'], name='floor_newest'),
        ),
        migrations.AddConstraint(
            model_name='pricefloor',
            constraint=models.CheckConstraint(condition=models.Q(('amount__isnull', True), ('amount__gte', 0), _connector='OR'), name='floor_not_negative'),
        ),
        migrations.RunSQL(JUDGE, NO_JUDGE),
        migrations.RunSQL(GUARD, NO_GUARD),
        migrations.RunSQL(DOORS, NO_DOORS),
        migrations.RunSQL(VERDICTS, NO_VERDICTS),
        append_only("orders_exchangerate"),
        append_only("orders_pricefloor"),
        append_only("orders_price"),
        grant(
            "orders",
            {
                "view_price": list(ROLES),
                "view_pricechange": list(ROLES),
                "view_exchangerate": list(ROLES),
                "change_price": [OPERATIONS, FINANCE, ADMINISTRATOR],
                "add_exchangerate": [OPERATIONS, FINANCE, ADMINISTRATOR],
                "agree_price": [FINANCE],
                "guard_price": [FINANCE],
            },
        ),
    ]
