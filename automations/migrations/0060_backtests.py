
import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('automations', '0071_intake_guards'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Backtest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.TextField()),
                ('pins', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), default=list, size=None)),
                ('sha256', models.CharField(max_length=64)),
                ('trigger', models.CharField(max_length=80)),
                ('days', models.SmallIntegerField()),
                ('since', models.DateTimeField()),
                ('until', models.DateTimeField()),
                ('state', models.CharField(choices=[('queued', 'Waiting'), ('running', 'Counting'), ('done', 'Done'), ('cancelled', 'Cancelled'), ('failed', 'Broken')], default='queued', max_length=9)),
                ('says', models.CharField(blank=True, max_length=300)),
                ('cursor', models.DateTimeField()),
                ('slice', models.IntegerField(default=5000)),
                ('events', models.BigIntegerField(default=0)),
                ('expected', models.BigIntegerField(null=True)),
                ('sums', models.JSONField(default=dict)),
                ('seconds', models.FloatField(default=0)),
                ('judged', models.BigIntegerField(default=0)),
                ('token', models.IntegerField(default=0)),
                ('tries', models.SmallIntegerField(default=0)),
                ('run_after', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('touched_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('finished_at', models.DateTimeField(null=True)),
                ('asked_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('live', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='automations.document')),
                ('rule', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='backtests', to='automations.rule')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('state__in', ['queued', 'running'])), fields=['touched_at', 'id'], name='backtest_open'), models.Index(fields=['rule', 'sha256', '-id'], name='backtest_of_content')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state__in', ['queued', 'running'])), fields=('rule', 'sha256', 'live', 'days'), name='backtest_open_once', nulls_distinct=False), models.CheckConstraint(condition=models.Q(('cursor__lte', models.F('until'))), name='backtest_within_period')],
            },
        ),
    ]
