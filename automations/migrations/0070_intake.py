
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('automations', '0041_pinned_paths'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalIntakeSource',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('key', models.SlugField(max_length=60)),
                ('name', models.CharField(max_length=120)),
                ('about', models.TextField(blank=True, verbose_name='what it is for')),
                ('scheme', models.CharField(max_length=20)),
                ('header', models.CharField(blank=True, max_length=60)),
                ('lead', models.CharField(blank=True, max_length=40)),
                ('id_at', models.CharField(blank=True, max_length=200)),
                ('topic_at', models.CharField(blank=True, max_length=200)),
                ('tolerance_seconds', models.IntegerField(default=300)),
                ('is_open', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('version', models.IntegerField(default=1)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('created_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical intake source',
                'verbose_name_plural': 'historical intake sources',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='IntakeSource',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=60, unique=True)),
                ('name', models.CharField(max_length=120)),
                ('about', models.TextField(blank=True, verbose_name='what it is for')),
                ('scheme', models.CharField(max_length=20)),
                ('header', models.CharField(blank=True, max_length=60)),
                ('lead', models.CharField(blank=True, max_length=40)),
                ('id_at', models.CharField(blank=True, max_length=200)),
                ('topic_at', models.CharField(blank=True, max_length=200)),
                ('tolerance_seconds', models.IntegerField(default=300)),
                ('is_open', models.BooleanField(default=True)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('version', models.IntegerField(default=1)),
                ('created_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='IntakeSecret',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sealed', models.TextField()),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ends_at', models.DateTimeField(null=True)),
                ('created_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('ended_by', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='secrets', to='automations.intakesource')),
            ],
        ),
        migrations.CreateModel(
            name='IntakeRoute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('topic', models.CharField(blank=True, max_length=120)),
                ('feed', models.CharField(max_length=80)),
                ('mapping', models.JSONField(default=dict)),
                ('changed_at', models.DateTimeField(auto_now=True)),
                ('version', models.IntegerField(default=1)),
                ('changed_by', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='routes', to='automations.intakesource')),
            ],
        ),
        migrations.CreateModel(
            name='HistoricalIntakeRoute',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('topic', models.CharField(blank=True, max_length=120)),
                ('feed', models.CharField(max_length=80)),
                ('mapping', models.JSONField(default=dict)),
                ('changed_at', models.DateTimeField(blank=True, editable=False)),
                ('version', models.IntegerField(default=1)),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('changed_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('source', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='automations.intakesource')),
            ],
            options={
                'verbose_name': 'historical intake route',
                'verbose_name_plural': 'historical intake routes',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('external_id', models.CharField(max_length=200)),
                ('topic', models.CharField(blank=True, max_length=120)),
                ('body', models.BinaryField(null=True)),
                ('sha256', models.CharField(max_length=64)),
                ('is_id_signed', models.BooleanField()),
                ('secret_id', models.BigIntegerField()),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('taken', 'Taken'), ('quarantined', 'In quarantine'), ('overtaken', 'Overtaken'), ('unread', 'Not read'), ('dropped', 'Put away')], db_default='waiting', default='waiting', max_length=12)),
                ('due_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('tries', models.SmallIntegerField(db_default=0, default=0)),
                ('replays', models.SmallIntegerField(db_default=0, default=0)),
                ('taken_at', models.DateTimeField(null=True)),
                ('says', models.TextField(blank=True, db_default='', default='')),
                ('cause', models.CharField(blank=True, db_default='', default='', max_length=300)),
                ('feed', models.CharField(blank=True, db_default='', default='', max_length=80)),
                ('event_id', models.BigIntegerField(null=True)),
                ('subject', models.CharField(blank=True, db_default='', default='', max_length=60)),
                ('subject_id', models.BigIntegerField(null=True)),
                ('version', models.IntegerField(db_default=1, default=1)),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='automations.intakesource')),
            ],
            options={
                'verbose_name_plural': 'deliveries',
                'permissions': [('replay_delivery', 'Can have deliveries read again or put away')],
            },
        ),
        migrations.CreateModel(
            name='Newest',
            fields=[
                ('pk', models.CompositePrimaryKey('source', 'topic', 'reference', blank=True, editable=False, primary_key=True, serialize=False)),
                ('topic', models.CharField(max_length=120)),
                ('reference', models.CharField(max_length=200)),
                ('at', models.DateTimeField()),
                ('source', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='automations.intakesource')),
            ],
        ),
        migrations.AddConstraint(
            model_name='intakesource',
            constraint=models.CheckConstraint(condition=models.Q(('tolerance_seconds__gte', 30), ('tolerance_seconds__lte', 3600)), name='intakesource_tolerance'),
        ),
        migrations.AddConstraint(
            model_name='intakesecret',
            constraint=models.CheckConstraint(condition=models.Q(('ends_at', None), ('ended_by__isnull', False), _connector='OR'), name='intakesecret_ended_by_someone'),
        ),
        migrations.AddConstraint(
            model_name='intakeroute',
            constraint=models.UniqueConstraint(fields=('source', 'topic'), name='intakeroute_topic_once'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'waiting')), fields=['id'], name='delivery_waiting'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['source', '-id'], name='delivery_of_source'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'quarantined')), fields=['-id'], name='delivery_quarantined'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=django.contrib.postgres.indexes.BrinIndex(fields=['received_at'], name='delivery_by_time'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('source', 'external_id'), name='delivery_once'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('is_id_signed', False)), fields=('source', 'topic', 'sha256'), name='delivery_content_once'),
        ),
    ]
