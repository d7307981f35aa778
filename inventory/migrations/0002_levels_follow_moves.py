"""Stock levels kept by PostgreSQL: no service, shell or bulk update can make them differ."""

from django.db import migrations

from backoffice.guards import append_only


def apply(delta: str) -> str:
    """SQL that adds changes of (sku_id, location_id, on_hand, allocated, reserved) to the levels.

    Levels are locked in key order, in a statement of its own: the update then sees what the
    others, whom it waited for, have committed.
    """
    return f"""
        INSERT INTO inventory_stocklevel
            (sku_id, location_id, on_hand, allocated, reserved, may_backorder, version)
        SELECT d.sku_id, d.location_id, 0, 0, 0, s.allow_backorder, 0
        FROM ({delta}) d JOIN inventory_sku s ON s.id = d.sku_id
        WHERE NOT EXISTS (
            SELECT FROM inventory_stocklevel l
            WHERE l.sku_id = d.sku_id AND l.location_id = d.location_id)
        ORDER BY d.sku_id, d.location_id
        ON CONFLICT (sku_id, location_id) DO NOTHING;

        PERFORM FROM inventory_stocklevel l JOIN ({delta}) d USING (sku_id, location_id)
        ORDER BY l.id FOR NO KEY UPDATE OF l;

        UPDATE inventory_stocklevel l
        SET on_hand = l.on_hand + d.on_hand, allocated = l.allocated + d.allocated,
            reserved = l.reserved + d.reserved, version = l.version + 1
        FROM ({delta}) d WHERE l.sku_id = d.sku_id AND l.location_id = d.location_id;
        RETURN NULL;
    """


MOVES = """
    SELECT m.sku_id, m.location_id, sum(m.quantity)::int AS on_hand, 0 AS allocated, 0 AS reserved
    FROM (SELECT sku_id, to_location_id AS location_id, quantity FROM added
          UNION ALL SELECT sku_id, from_location_id, -quantity FROM added) m
    JOIN inventory_location p ON p.id = m.location_id
    WHERE p.kind IN ('internal', 'quarantine', 'transit')
    GROUP BY m.sku_id, m.location_id HAVING sum(m.quantity) <> 0
"""


def reservations(rows: str) -> str:
    return f"""
    SELECT r.sku_id, r.location_id, 0 AS on_hand,
           coalesce(sum(r.quantity) FILTER (WHERE r.state = 'allocated'), 0)::int AS allocated,
           coalesce(sum(r.quantity) FILTER (WHERE r.state = 'held'), 0)::int AS reserved
    FROM ({rows}) r WHERE r.state IN ('held', 'allocated')
    GROUP BY r.sku_id, r.location_id
    HAVING coalesce(sum(r.quantity) FILTER (WHERE r.state = 'allocated'), 0) <> 0
        OR coalesce(sum(r.quantity) FILTER (WHERE r.state = 'held'), 0) <> 0
    """


MADE = reservations("SELECT sku_id, location_id, quantity, state FROM added")
CHANGED = reservations(
    "SELECT sku_id, location_id, quantity, state FROM added "
    "UNION ALL SELECT sku_id, location_id, -quantity, state FROM removed"
)

FORWARDS = f"""
CREATE FUNCTION inventory_apply_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {apply(MOVES)} END $$;
CREATE TRIGGER inventory_apply_moves AFTER INSERT ON inventory_stockmove
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_apply_moves();

CREATE FUNCTION inventory_apply_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {apply(MADE)} END $$;
CREATE TRIGGER inventory_apply_made AFTER INSERT ON inventory_reservation
    REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_apply_made();

CREATE FUNCTION inventory_apply_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {apply(CHANGED)} END $$;
CREATE TRIGGER inventory_apply_changed AFTER UPDATE ON inventory_reservation
    REFERENCING NEW TABLE AS added OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION inventory_apply_changed();

-- Depth 0 is a statement from outside: only the triggers above may write a level.
CREATE FUNCTION inventory_refuse_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is kept by its moves and reservations: % by hand is refused',
        TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER inventory_level_by_hand BEFORE INSERT OR UPDATE OR DELETE ON inventory_stocklevel
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION inventory_refuse_by_hand();
CREATE TRIGGER inventory_reservation_kept BEFORE DELETE ON inventory_reservation
    FOR EACH ROW EXECUTE FUNCTION inventory_refuse_by_hand();
CREATE TRIGGER inventory_location_kind BEFORE UPDATE ON inventory_location
    FOR EACH ROW WHEN (OLD.kind <> NEW.kind) EXECUTE FUNCTION inventory_refuse_by_hand();

CREATE FUNCTION inventory_copy_backorder() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE inventory_stocklevel SET may_backorder = NEW.allow_backorder, version = version + 1
    WHERE sku_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER inventory_copy_backorder AFTER UPDATE ON inventory_sku
    FOR EACH ROW WHEN (OLD.allow_backorder <> NEW.allow_backorder)
    EXECUTE FUNCTION inventory_copy_backorder();
"""

BACKWARDS = """
DROP TRIGGER inventory_copy_backorder ON inventory_sku;
DROP TRIGGER inventory_location_kind ON inventory_location;
DROP TRIGGER inventory_reservation_kept ON inventory_reservation;
DROP TRIGGER inventory_level_by_hand ON inventory_stocklevel;
DROP TRIGGER inventory_apply_changed ON inventory_reservation;
DROP TRIGGER inventory_apply_made ON inventory_reservation;
DROP TRIGGER inventory_apply_moves ON inventory_stockmove;
DROP FUNCTION inventory_copy_backorder, inventory_refuse_by_hand, inventory_apply_changed,
    inventory_apply_made, inventory_apply_moves;
"""


class Migration(migrations.Migration):
    dependencies = [("inventory", "0001_initial")]

    operations = [
        migrations.RunSQL(FORWARDS, BACKWARDS),
        append_only("inventory_stockmove"),
    ]
