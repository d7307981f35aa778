"""Reviews, screening, blocklist and credit, and what PostgreSQL holds of them."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import simple_history.models
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models

from backoffice.guards import append_only
from backoffice.roles import ADMINISTRATOR, FINANCE, OPERATIONS, ROLES, SUPPORT, grant


# An order that waits for a verdict is let go by that verdict alone, whoever releases its hold and
# however. What was assessed stays what it was; only whether it is the newest, and what people made
# of it, changes.
GUARDS = """
CREATE FUNCTION orders_verdict_first() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM orders_review r JOIN orders_order o ON o.id = r.order_id
               WHERE r.order_id = NEW.order_id AND r.state = 'open' AND o.cancelled_at IS NULL
               AND r.kind = CASE NEW.reason WHEN 'fraud' THEN 'fraud' ELSE 'credit' END) THEN
        RAISE EXCEPTION 'Order % waits for a verdict: its hold is not released', NEW.order_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_verdict_first BEFORE UPDATE OF released_at ON orders_hold FOR EACH ROW
    WHEN (OLD.released_at IS NULL AND NEW.released_at IS NOT NULL
          AND NEW.reason IN ('fraud', 'approval'))
    EXECUTE FUNCTION orders_verdict_first();

CREATE FUNCTION orders_assessment_stays() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (to_jsonb(NEW) - 'is_current' - 'verdict')
       IS DISTINCT FROM (to_jsonb(OLD) - 'is_current' - 'verdict') THEN
        RAISE EXCEPTION 'What was assessed of order % does not change', OLD.order_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER orders_assessment_stays BEFORE UPDATE ON orders_riskassessment
    FOR EACH ROW EXECUTE FUNCTION orders_assessment_stays();
"""

NO_GUARDS = """
DROP TRIGGER orders_assessment_stays ON orders_riskassessment;
DROP TRIGGER orders_verdict_first ON orders_hold;
DROP FUNCTION orders_assessment_stays, orders_verdict_first;
"""
EVERYONE = list(ROLES)
DESK = [OPERATIONS, SUPPORT, ADMINISTRATOR]


class Migration(migrations.Migration):

    dependencies = [
        ('backoffice', '0052_lent_roles'),
        ('inventory', '0030_customs_data'),
        ('orders', '0044_a_million_orders'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BlockEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('mail', 'Mail address'), ('address', 'Delivery address'), ('phone', 'Phone number'), ('card', 'Card fingerprint'), ('ip', 'IP address')], max_length=8)),
                ('value', models.CharField(max_length=320)),
                ('reason', models.CharField(max_length=300)),
                ('until', models.DateTimeField(blank=True, null=True)),
                ('added_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('rule', 'rule'), ('outside', 'outside'), ('import', 'import'), ('system', 'system')], max_length=10)),
                ('actor_label', models.CharField(max_length=200)),
                ('ended_at', models.DateTimeField(null=True)),
                ('ended_by', models.CharField(blank=True, default='', max_length=200)),
                ('end_reason', models.CharField(blank=True, default='', max_length=300)),
            ],
            options={
                'permissions': [('edit_blocklist', 'Can put marks on the blocklist and take them off')],
            },
        ),
        migrations.CreateModel(
            name='CreditAccount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('limit', models.DecimalField(decimal_places=4, default=Decimal('0'), max_digits=19)),
                ('currency', models.CharField(max_length=3)),
                ('resets', models.CharField(choices=[('never', 'Never: all unpaid orders count'), ('month', 'Each month'), ('quarter', 'Each quarter'), ('year', 'Each year')], default='never', max_length=8)),
                ('answer_hours', models.SmallIntegerField(default=24)),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
                ('version', models.IntegerField(default=1)),
            ],
        ),
        migrations.CreateModel(
            name='HistoricalCreditAccount',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('limit', models.DecimalField(decimal_places=4, default=Decimal('0'), max_digits=19)),
                ('currency', models.CharField(max_length=3)),
                ('resets', models.CharField(choices=[('never', 'Never: all unpaid orders count'), ('month', 'Each month'), ('quarter', 'Each quarter'), ('year', 'Each year')], default='never', max_length=8)),
                ('answer_hours', models.SmallIntegerField(default=24)),
                ('is_active', models.BooleanField(default=True, verbose_name='in use')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical credit account',
                'verbose_name_plural': 'historical credit accounts',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalRiskSignal',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('key', models.SlugField(max_length=40)),
                ('name', models.CharField(max_length=80)),
                ('kind', models.CharField(choices=[('mismatch', 'Billed to one country, shipped to another'), ('region', 'Billed or shipped to a country of a list'), ('velocity', 'Many orders with the same mark in a short time'), ('blocklist', 'A mark stands on the blocklist')], max_length=10)),
                ('mode', models.CharField(choices=[('off', 'Off'), ('monitor', 'Monitor: only note it'), ('review', 'Review: hold the order for a person'), ('block', 'Block: hold the order as blocked')], default='monitor', max_length=8)),
                ('weight', models.SmallIntegerField(default=10)),
                ('mark', models.CharField(blank=True, choices=[('mail', 'Mail address'), ('address', 'Delivery address'), ('phone', 'Phone number'), ('card', 'Card fingerprint'), ('ip', 'IP address')], default='', max_length=8)),
                ('orders', models.SmallIntegerField(blank=True, null=True)),
                ('minutes', models.IntegerField(blank=True, null=True)),
                ('countries', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), blank=True, default=list, size=None)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical risk signal',
                'verbose_name_plural': 'historical risk signals',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='OrderMark',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('mail', 'Mail address'), ('address', 'Delivery address'), ('phone', 'Phone number'), ('card', 'Card fingerprint'), ('ip', 'IP address')], max_length=8)),
                ('value', models.CharField(max_length=320)),
                ('placed_at', models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name='Review',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('fraud', 'Possible fraud'), ('address', 'Address'), ('duplicate', 'Possible duplicate'), ('credit', 'Over the credit limit')], max_length=10)),
                ('state', models.CharField(choices=[('open', 'Open'), ('passed', 'Goes on'), ('refused', 'Refused'), ('withdrawn', 'No longer needed')], default='open', max_length=10)),
                ('found', models.JSONField(default=dict)),
                ('opened_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('due_at', models.DateTimeField()),
                ('escalated_at', models.DateTimeField(null=True)),
                ('settled_at', models.DateTimeField(null=True)),
                ('how', models.CharField(blank=True, default='', max_length=12)),
                ('decided_by', models.CharField(blank=True, default='', max_length=200)),
                ('version', models.IntegerField(default=1)),
            ],
            options={
                'permissions': [('decide_review', 'Can decide about suspicious orders, addresses and duplicates'), ('approve_credit', 'Can approve orders over a credit limit')],
            },
        ),
        migrations.CreateModel(
            name='ReviewDecision',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('verdict', models.CharField(choices=[('open', 'Open'), ('passed', 'Goes on'), ('refused', 'Refused'), ('withdrawn', 'No longer needed')], max_length=10)),
                ('how', models.CharField(blank=True, default='', max_length=12)),
                ('reason', models.CharField(blank=True, default='', max_length=500)),
                ('overturns', models.BooleanField(default=False)),
                ('decided_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('rule', 'rule'), ('outside', 'outside'), ('import', 'import'), ('system', 'system')], max_length=10)),
                ('actor_label', models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name='RiskAssessment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('is_current', models.BooleanField(default=True)),
                ('outcome', models.CharField(choices=[('clear', 'Clear'), ('review', 'To be reviewed'), ('blocked', 'Blocked')], max_length=8)),
                ('score', models.IntegerField()),
                ('findings', models.JSONField(default=list)),
                ('assessed_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('actor_kind', models.CharField(choices=[('person', 'person'), ('rule', 'rule'), ('outside', 'outside'), ('import', 'import'), ('system', 'system')], max_length=10)),
                ('actor_label', models.CharField(max_length=200)),
                ('verdict', models.CharField(blank=True, choices=[('cleared', 'No fraud'), ('confirmed', 'Fraud')], default='', max_length=9)),
            ],
        ),
        migrations.CreateModel(
            name='RiskSignal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=40, unique=True)),
                ('name', models.CharField(max_length=80)),
                ('kind', models.CharField(choices=[('mismatch', 'Billed to one country, shipped to another'), ('region', 'Billed or shipped to a country of a list'), ('velocity', 'Many orders with the same mark in a short time'), ('blocklist', 'A mark stands on the blocklist')], max_length=10)),
                ('mode', models.CharField(choices=[('off', 'Off'), ('monitor', 'Monitor: only note it'), ('review', 'Review: hold the order for a person'), ('block', 'Block: hold the order as blocked')], default='monitor', max_length=8)),
                ('weight', models.SmallIntegerField(default=10)),
                ('mark', models.CharField(blank=True, choices=[('mail', 'Mail address'), ('address', 'Delivery address'), ('phone', 'Phone number'), ('card', 'Card fingerprint'), ('ip', 'IP address')], default='', max_length=8)),
                ('orders', models.SmallIntegerField(blank=True, null=True)),
                ('minutes', models.IntegerField(blank=True, null=True)),
                ('countries', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=2), blank=True, default=list, size=None)),
                ('version', models.IntegerField(default=1)),
            ],
            options={
                'ordering': ['name'],
                'permissions': [('loosen_risksignal', 'Can make fraud screening let more orders through')],
            },
        ),
        migrations.AddField(
            model_name='channel',
            name='checks_addresses',
            field=models.BooleanField(default=True, verbose_name='checks addresses'),
        ),
        migrations.AddField(
            model_name='channel',
            name='duplicate_hours',
            field=models.SmallIntegerField(default=24, verbose_name='looks for duplicates within'),
        ),
        migrations.AddField(
            model_name='historicalchannel',
            name='checks_addresses',
            field=models.BooleanField(default=True, verbose_name='checks addresses'),
        ),
        migrations.AddField(
            model_name='historicalchannel',
            name='duplicate_hours',
            field=models.SmallIntegerField(default=24, verbose_name='looks for duplicates within'),
        ),
        migrations.AlterField(
            model_name='hold',
            name='reason',
            field=models.CharField(choices=[('fraud', 'Possible fraud'), ('address', 'Address'), ('payment', 'Payment'), ('out_of_stock', 'Out of stock'), ('customer_request', 'The customer asked'), ('price_check', 'Price check'), ('duplicate', 'Possible duplicate'), ('approval', 'Approval'), ('other', 'Other')], max_length=16),
        ),
        migrations.AlterField(
            model_name='order',
            name='cancel_reason',
            field=models.CharField(blank=True, choices=[('customer', 'The customer asked'), ('fraud', 'Fraud'), ('out_of_stock', 'Out of stock'), ('unpaid', 'Never paid'), ('duplicate', 'Duplicate'), ('declined', 'Not approved'), ('other', 'Other')], max_length=14),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('duplicate_hours__gte', 0), ('duplicate_hours__lte', 720)), name='channel_duplicate_hours'),
        ),
        migrations.AddField(
            model_name='blockentry',
            name='user',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='creditaccount',
            name='customer',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='credit', to='orders.customer'),
        ),
        migrations.AddField(
            model_name='historicalcreditaccount',
            name='customer',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='orders.customer'),
        ),
        migrations.AddField(
            model_name='historicalcreditaccount',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='historicalrisksignal',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ordermark',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='marks', to='orders.order'),
        ),
        migrations.AddField(
            model_name='review',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reviews', to='orders.order'),
        ),
        migrations.AddField(
            model_name='reviewdecision',
            name='review',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='orders.review'),
        ),
        migrations.AddField(
            model_name='reviewdecision',
            name='user',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='riskassessment',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='assessments', to='orders.order'),
        ),
        migrations.AddConstraint(
            model_name='risksignal',
            constraint=models.CheckConstraint(condition=models.Q(('weight__gte', 0), ('weight__lte', 100)), name='risksignal_weight'),
        ),
        migrations.AddConstraint(
            model_name='risksignal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'velocity'), ('minutes__gte', 1), ('orders__gte', 2), models.Q(('mark', ''), _negated=True)), models.Q(models.Q(('kind', 'velocity'), _negated=True), ('mark', ''), ('minutes__isnull', True), ('orders__isnull', True)), _connector='OR'), name='risksignal_velocity_says_how_many'),
        ),
        migrations.AddConstraint(
            model_name='risksignal',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('countries__len__gt', 0), ('kind', 'region')), models.Q(models.Q(('kind', 'region'), _negated=True), ('countries', [])), _connector='OR'), name='risksignal_region_names_countries'),
        ),
        migrations.AddConstraint(
            model_name='blockentry',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True)), fields=('kind', 'value'), name='blockentry_open_once'),
        ),
        migrations.AddConstraint(
            model_name='blockentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('end_reason', ''), ('ended_at__isnull', True)), models.Q(('ended_at__isnull', False), models.Q(('end_reason', ''), _negated=True)), _connector='OR'), name='blockentry_end_has_reason'),
        ),
        migrations.AddConstraint(
            model_name='creditaccount',
            constraint=models.CheckConstraint(condition=models.Q(('currency__regex', '^[A-Z]{3}$'), ('limit__gte', 0)), name='credit_limit'),
        ),
        migrations.AddConstraint(
            model_name='creditaccount',
            constraint=models.CheckConstraint(condition=models.Q(('answer_hours__gte', 1), ('answer_hours__lte', 720)), name='credit_answer_hours'),
        ),
        migrations.AddIndex(
            model_name='ordermark',
            index=models.Index(fields=['kind', 'value', 'placed_at'], name='ordermark_seen'),
        ),
        migrations.AddConstraint(
            model_name='ordermark',
            constraint=models.UniqueConstraint(fields=('order', 'kind'), name='ordermark_once'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(condition=models.Q(('state', 'open')), fields=['due_at', 'id'], name='review_queue'),
        ),
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['-opened_at', '-id'], name='review_newest'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.UniqueConstraint(condition=models.Q(('state', 'open')), fields=('order', 'kind'), name='review_open_once_per_kind'),
        ),
        migrations.AddConstraint(
            model_name='review',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('settled_at__isnull', True), ('state', 'open')), models.Q(models.Q(('state', 'open'), _negated=True), ('settled_at__isnull', False)), _connector='OR'), name='review_settled_has_time'),
        ),
        migrations.AddIndex(
            model_name='riskassessment',
            index=models.Index(condition=models.Q(('verdict', ''), _negated=True), fields=['assessed_at'], name='assessment_judged'),
        ),
        migrations.AddIndex(
            model_name='riskassessment',
            index=models.Index(fields=['assessed_at'], name='assessment_when'),
        ),
        migrations.AddConstraint(
            model_name='riskassessment',
            constraint=models.UniqueConstraint(condition=models.Q(('is_current', True)), fields=('order',), name='assessment_one_current'),
        ),
        migrations.AddConstraint(
            model_name='riskassessment',
            constraint=models.CheckConstraint(condition=models.Q(('score__gte', 0)), name='assessment_score'),
        ),
        migrations.RunSQL(GUARDS, NO_GUARDS),
        append_only("orders_reviewdecision"),
        grant(
            "orders",
            {
                "view_review": EVERYONE,
                "view_reviewdecision": EVERYONE,
                "view_riskassessment": EVERYONE,
                "view_risksignal": EVERYONE,
                "view_blockentry": EVERYONE,
                "view_creditaccount": EVERYONE,
                "decide_review": DESK,
                "edit_blocklist": DESK,
                "add_risksignal": [OPERATIONS, FINANCE, ADMINISTRATOR],
                "change_risksignal": [OPERATIONS, FINANCE, ADMINISTRATOR],
                "loosen_risksignal": [FINANCE],
                "approve_credit": [FINANCE],
                "change_creditaccount": [FINANCE],
            },
        ),
    ]
