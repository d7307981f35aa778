"""Carts, until somebody orders or does not."""

import django.db.models.deletion
import django.db.models.functions.datetime
from decimal import Decimal
from django.db import migrations, models

from backoffice.roles import ADMINISTRATOR, OPERATIONS, ROLES, grant


class Migration(migrations.Migration):

    dependencies = [
        ('backoffice', '0052_lent_roles'),
        ('inventory', '0030_customs_data'),
        ('orders', '0095_prices'),
    ]

    operations = [
        migrations.CreateModel(
            name='Cart',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=40, unique=True)),
                ('external_id', models.CharField(max_length=80)),
                ('mail', models.CharField(blank=True, default='', max_length=320)),
                ('state', models.CharField(choices=[('open', 'Open'), ('abandoned', 'Abandoned'), ('converted', 'Ordered'), ('expired', 'Expired')], default='open', max_length=10)),
                ('currency', models.CharField(max_length=3)),
                ('total', models.DecimalField(decimal_places=4, default=Decimal('0'), max_digits=19)),
                ('units', models.IntegerField(default=0)),
                ('line_count', models.IntegerField(default=0)),
                ('opened_at', models.DateTimeField()),
                ('active_at', models.DateTimeField()),
                ('abandoned_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('version', models.IntegerField(default=1)),
            ],
            options={
                'permissions': [('receive_cart', 'Can bring carts in from a file')],
            },
        ),
        migrations.CreateModel(
            name='CartLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.IntegerField()),
                ('code', models.CharField(blank=True, max_length=60)),
                ('description', models.CharField(blank=True, max_length=200)),
                ('quantity', models.IntegerField()),
                ('unit_price', models.DecimalField(decimal_places=4, max_digits=19)),
                ('line_total', models.DecimalField(decimal_places=4, max_digits=19)),
            ],
        ),
        migrations.AddField(
            model_name='channel',
            name='cart_minutes',
            field=models.SmallIntegerField(default=60, verbose_name='carts are abandoned after'),
        ),
        migrations.AddField(
            model_name='historicalchannel',
            name='cart_minutes',
            field=models.SmallIntegerField(default=60, verbose_name='carts are abandoned after'),
        ),
        migrations.AddConstraint(
            model_name='channel',
            constraint=models.CheckConstraint(condition=models.Q(('cart_minutes__gte', 0), ('cart_minutes__lte', 20160)), name='channel_cart_minutes'),
        ),
        migrations.AddField(
            model_name='cart',
            name='channel',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='orders.channel'),
        ),
        migrations.AddField(
            model_name='cart',
            name='customer',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='carts', to='orders.customer'),
        ),
        migrations.AddField(
            model_name='cart',
            name='order',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='carts', to='orders.order'),
        ),
        migrations.AddField(
            model_name='cartline',
            name='cart',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='orders.cart'),
        ),
        migrations.AddField(
            model_name='cartline',
            name='sku',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='inventory.sku'),
        ),
        migrations.AddIndex(
            model_name='cart',
            index=models.Index(condition=models.Q(('state__in', ['open', 'abandoned'])), fields=['customer'], name='cart_live_of_customer'),
        ),
        migrations.AddIndex(
            model_name='cart',
            index=models.Index(condition=models.Q(('state__in', ['open', 'abandoned']), models.Q(('mail', ''), _negated=True)), fields=['mail'], name='cart_live_of_mail'),
        ),
        migrations.AddIndex(
            model_name='cart',
            index=models.Index(condition=models.Q(('state__in', ['open', 'abandoned'])), fields=['channel', 'active_at'], name='cart_idle'),
        ),
        migrations.AddIndex(
            model_name='cart',
            index=models.Index(fields=['-active_at', '-id'], name='cart_newest'),
        ),
        migrations.AddIndex(
            model_name='cart',
            index=models.Index(condition=models.Q(('order__isnull', False)), fields=['order'], name='cart_order'),
        ),
        migrations.AddConstraint(
            model_name='cart',
            constraint=models.UniqueConstraint(fields=('channel', 'external_id'), name='cart_of_channel'),
        ),
        migrations.AddConstraint(
            model_name='cart',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('order__isnull', False), ('state', 'converted')), models.Q(models.Q(('state', 'converted'), _negated=True), ('order__isnull', True)), _connector='OR'), name='cart_converted_by_an_order'),
        ),
        migrations.AddConstraint(
            model_name='cart',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('ended_at__isnull', True), ('state__in', ['open', 'abandoned'])), models.Q(('ended_at__isnull', False), ('state__in', ['converted', 'expired'])), _connector='OR'), name='cart_ended_with_time'),
        ),
        migrations.AddConstraint(
            model_name='cart',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'abandoned'), _negated=True), ('abandoned_at__isnull', False), _connector='OR'), name='cart_abandoned_with_time'),
        ),
        migrations.AddConstraint(
            model_name='cart',
            constraint=models.CheckConstraint(condition=models.Q(('total__gte', 0)), name='cart_total'),
        ),
        migrations.AddConstraint(
            model_name='cartline',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gt', 0), ('unit_price__gte', 0)), name='cart_line_amounts'),
        ),
        migrations.RunSQL(
            "CREATE SEQUENCE orders_cart_number START 100001", "DROP SEQUENCE orders_cart_number"
        ),
        grant(
            "orders",
            {"view_cart": list(ROLES), "receive_cart": [OPERATIONS, ADMINISTRATOR]},
        ),
    ]
