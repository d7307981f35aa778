"""Statements that a shell, a bug or an injection could send as the application role."""

from __future__ import annotations

# --- tables, written by hand ----------------------------------------------------------------------

WRITES = {
    "forge an approval": (
        "INSERT INTO automations_approval (document_id, sha256, approver_id, role, verdict,"
        " comment, evidence, at, expires_at) VALUES (%(document)s, %(sha)s, %(judge)s, 'finance',"
        " 'approve', '', '{}', now(), now() + interval '30 days')"
    ),
    "copy a forged approval in": "COPY automations_approval FROM STDIN",
    "merge a forged approval in": (
        "MERGE INTO automations_approval a USING (SELECT 1 AS x) s ON false WHEN NOT MATCHED THEN"
        " INSERT (document_id, sha256, approver_id, role, verdict, comment, evidence, expires_at)"
        " VALUES (%(document)s, %(sha)s, %(judge)s, 'finance', 'approve', '', '{}', now())"
    ),
    "turn a no into a yes": "UPDATE automations_approval SET verdict = 'approve'",
    "make old approvals last": "UPDATE automations_approval SET expires_at = 'infinity'",
    "delete a no": "DELETE FROM automations_approval",
    "say yes for what is there afterwards": "UPDATE automations_approval SET existing = true",
    "have it go over what is there": (
        "INSERT INTO automations_existingrecords (document_id, rule_id, from_at)"
        " VALUES (%(document)s, %(rule)s, now())"
    ),
    "forget that it went over what is there": "DELETE FROM automations_existingrecords",
    "forge a period in force": (
        "INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at,"
        " activated_by_id) VALUES (%(rule)s, 'rule', %(key)s, 'live', %(document)s, now(),"
        " %(judge)s)"
    ),
    "point a period at another version": (
        "UPDATE automations_activation SET document_id = %(document)s, until_at = NULL"
    ),
    "turn a shadow live": "UPDATE automations_activation SET mode = 'live'",
    "say it is approved": "UPDATE automations_document SET state = 'approved'",
    "change what was submitted": "UPDATE automations_document SET text = '{}'",
    "change the hash": "UPDATE automations_document SET sha256 = repeat('0', 64)",
    "drop what it depends on": "UPDATE automations_document SET pins = '{}'",
    "call its risk none": "UPDATE automations_document SET risk = 'none'",
    "name another as its author": "UPDATE automations_document SET author_id = %(clerk)s",
    "write a document that is born approved": (
        "INSERT INTO automations_document (kind, key, version, rule_id, text, pins, sha256, risk,"
        " state, why, author_id, submitted_by_id) SELECT kind, key, version + 1, rule_id, text,"
        " pins, sha256, 'none', 'approved', '', author_id, submitted_by_id"
        " FROM automations_document WHERE id = %(document)s"
    ),
    "delete the candidate": "DELETE FROM automations_document",
    "forget who edited": "DELETE FROM automations_documenteditor",
    "name another as the editor": "UPDATE automations_documenteditor SET user_id = %(clerk)s",
    "forget the revisions": "DELETE FROM automations_draftrevision",
    "sign a revision with another's name": (
        "UPDATE automations_draftrevision SET editor_id = %(clerk)s"
    ),
    "lift a stop": "UPDATE automations_stop SET lifted_at = now(), lifted_by_id = %(judge)s",
    "delete a stop": "DELETE FROM automations_stop",
    "hide a change from the matchers": "UPDATE automations_epoch SET value = 0",
    "give oneself finance": (
        "INSERT INTO backoffice_user_groups (user_id, group_id)"
        " SELECT %(author)s, id FROM auth_group WHERE name = 'finance'"
    ),
    "move a membership to oneself": (
        "UPDATE backoffice_user_groups SET user_id = %(author)s WHERE user_id = %(judge)s"
    ),
    "take finance's members away": "DELETE FROM backoffice_user_groups",
    "call operations finance": (
        "UPDATE auth_group SET name = 'finance' || id WHERE name IN ('finance', 'operations')"
    ),
    "found a second finance": "INSERT INTO auth_group (name) VALUES ('finance ')",
    "let operations approve refunds": (
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT g.id, p.id"
        " FROM auth_group g, auth_permission p WHERE g.name = 'operations'"
        " AND p.codename = 'approve_refund'"
    ),
    "give oneself one permission": (
        "INSERT INTO backoffice_user_user_permissions (user_id, permission_id)"
        " SELECT %(author)s, id FROM auth_permission WHERE codename = 'approve_document'"
    ),
    "rename a permission": "UPDATE auth_permission SET codename = codename || 'x'",
    "forge a grant": (
        "INSERT INTO backoffice_rolegrant (user_id, role, state, why) VALUES (%(author)s,"
        " 'finance', 'held', '')"
    ),
    "say a grant was agreed to": "UPDATE backoffice_rolegrant SET state = 'held'",
    "forget who gave a role": "DELETE FROM backoffice_rolegrant",
    "call an action harmless": "UPDATE automations_actionrisk SET risk = 'none'",
    "take an action off the list": "DELETE FROM automations_actionrisk",
    "rename a rule to another's key": (
        "UPDATE automations_rule SET slug = 'mine' WHERE id = %(rule)s"
    ),
    "forge a deputy": (
        "INSERT INTO backoffice_deputy (person_id, deputy_id, state, gives, from_at, until_at, why,"
        " asked_by_id) VALUES (%(judge)s, %(clerk)s, 'agreed', true, now(),"
        " now() + interval '1 day', '', %(judge)s)"
    ),
    "forge an emergency": (
        "INSERT INTO automations_emergency (rule_id, document_id, sha256, state, why, asked_by_id)"
        " VALUES (%(rule)s, %(document)s, %(sha)s, 'agreed', '', %(clerk)s)"
    ),
    "forge an emergency in force": (
        "INSERT INTO automations_activation (rule_id, kind, key, mode, document_id, from_at,"
        " expires_at, activated_by_id) VALUES (%(rule)s, 'rule', %(key)s, 'emergency',"
        " %(document)s, now(), now() + interval '1 hour', %(judge)s)"
    ),
    "let one person be enough": "UPDATE automations_approvalpolicy SET approvers = 0",
    "take the policy away": "DELETE FROM automations_approvalpolicy",
    "call it tuned": "UPDATE automations_document SET tuned_from_id = id",
    "change the audit trail": "UPDATE backoffice_auditentry SET actor_label = 'Nobody'",
    "empty the audit trail": "TRUNCATE backoffice_auditentry CASCADE",
    "forge a link of the chain": (
        "INSERT INTO backoffice_auditlink (position, entry_id, sha256, sealed_at)"
        " SELECT 999999, id, repeat('0', 64), now() FROM backoffice_auditentry LIMIT 1"
    ),
    "lose what waits to be sealed": "DELETE FROM backoffice_auditpending",
}  # fmt: skip

# --- what guards the tables -----------------------------------------------------------------------

SWITCHES = {
    "become the owner": "SET ROLE countersign_owner",
    "become the superuser": "SET SESSION AUTHORIZATION postgres",
    "make oneself a superuser": "ALTER ROLE CURRENT_USER SUPERUSER",
    "make a role of one's own": "CREATE ROLE helper SUPERUSER",
    "grant oneself the table": "ALTER TABLE automations_approval OWNER TO CURRENT_USER",
    "act as a replica, past the triggers": "SET session_replication_role = replica",
    "switch the triggers off": "ALTER TABLE automations_document DISABLE TRIGGER ALL",
    "drop a trigger": "DROP TRIGGER automations_document_guard ON automations_document",
    "drop a constraint": (
        "ALTER TABLE automations_activation DROP CONSTRAINT activation_ends_after_start"
    ),
    "add a rule that rewrites": (
        "CREATE RULE yes AS ON UPDATE TO automations_document DO INSTEAD NOTHING"
    ),
    "replace a guard": (
        "CREATE OR REPLACE FUNCTION automations_has_role(p_user bigint, p_role text)"
        " RETURNS boolean LANGUAGE sql AS 'SELECT true'"
    ),
    "move a guard's path": (
        "ALTER FUNCTION automations_decide_document(bigint, text, bigint, text, text, text, jsonb,"
        " boolean) SET search_path = pg_temp"
    ),
    "shadow a table": "CREATE TEMPORARY TABLE automations_documenteditor (document_id bigint)",
    "shadow a function": (
        "CREATE FUNCTION pg_temp.automations_has_role(bigint, text) RETURNS boolean LANGUAGE sql"
        " AS 'SELECT true'"
    ),
    "shadow a schema": "CREATE SCHEMA countersign_app",
    "make a function with the owner's rights": (
        "CREATE FUNCTION public.lever() RETURNS void LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'"
    ),
    "read the server's files": "SELECT pg_read_file('/etc/hostname')",
    "run a programme": "COPY automations_approval FROM PROGRAM 'true'",
    "write the catalogue": "UPDATE pg_proc SET prosrc = 'SELECT true'",
    "rewind a sequence": "SELECT setval('automations_document_id_seq', 1)",
}

# --- the guarded functions, with forged arguments -------------------------------------------------

DECIDE = (
    "SELECT automations_decide_document(%(document)s, {sha}, {who}, {role}, {verdict}, '', '{{}}')"
)


def decide(sha: str = "%(sha)s", who: str = "%(judge)s", role: str = "'finance'",
           verdict: str = "'approve'") -> str:  # fmt: skip
    return DECIDE.format(sha=sha, who=who, role=role, verdict=verdict)


CALLS = {
    "approve as the author": decide(who="%(author)s"),
    "approve as an editor of the right role": decide(who="%(editor)s"),
    "approve as the administrator": decide(who="%(boss)s", role="'administrator'"),
    "claim a role one does not hold": decide(who="%(clerk)s"),
    "decide in a role that does not suit": decide(who="%(clerk)s", role="'operations'"),
    "decide in no role": decide(role="NULL"),
    "decide as nobody": decide(who="NULL"),
    "decide as somebody who is not there": decide(who="0"),
    "approve whatever it says": decide(sha="NULL"),
    "approve another hash": decide(sha="repeat('0', 64)"),
    "give a verdict that there is not": decide(verdict="'approved'"),
    "give no verdict": decide(verdict="NULL"),
    "rest it on a count that there is not": (
        "SELECT automations_decide_document(%(document)s, %(sha)s, %(judge)s, 'finance', 'approve',"
        " '', '{\"backtest\": 0}')"
    ),
    "say yes for what is there as the author": (
        "SELECT automations_decide_document(%(document)s, %(sha)s, %(author)s, 'finance',"
        " 'approve', '', '{}', true)"
    ),
    "turn it down, and say yes for what is there": (
        "SELECT automations_decide_document(%(document)s, %(sha)s, %(judge)s, 'finance', 'reject',"
        " 'No.', '{}', true)"
    ),
    "tune what is not in force": (
        "SELECT automations_tune_document(%(rule)s, %(document)s, 'x', text, %(sha)s, 'Why.',"
        " %(author)s) FROM automations_document WHERE id = %(document)s"
    ),
    "name a deputy for somebody else": (
        "SELECT backoffice_name_deputy(%(judge)s, %(clerk)s, now(), now() + interval '1 day',"
        " 'Away.', %(clerk)s)"
    ),
    "agree to a deputy that nobody named": (
        "SELECT backoffice_decide_deputy(0, %(boss)s, true)"
    ),
    "ask for an emergency of another hash": (
        "SELECT automations_ask_emergency(%(document)s, repeat('0', 64), 'Now.', %(clerk)s)"
    ),
    "agree to an emergency that nobody asked for": (
        "SELECT automations_agree_emergency(0, %(sha)s, %(clerk)s)"
    ),
    "lower a quorum that nobody asked to lower": (
        "SELECT automations_agree_quorum('money', %(judge)s, true)"
    ),
    "set a quorum as operations": "SELECT automations_set_quorum('money', 2, %(clerk)s)",
    "put it in force unapproved": (
        "SELECT automations_activate_document(%(document)s, %(judge)s, NULL)"
    ),
    "put in force what is not there": "SELECT automations_activate_document(0, %(judge)s, NULL)",
    "end a first look that nobody waits for": (
        "SELECT automations_end_first_look(0, %(judge)s, 'finance')"
    ),
    "start again what is not stopped": "SELECT automations_start_again(0, %(judge)s, 'finance')",
    "tighten a rule": (
        "SELECT automations_tighten_document(%(key)s, %(document)s, '{}', %(sha)s, '', %(judge)s)"
    ),
    "bootstrap oneself": "SELECT backoffice_bootstrap_role(%(author)s, 'finance', 'Needed.')",
    "apply a grant past its second person": "SELECT backoffice_apply_role(1)",
    "ask for one's own role": "SELECT backoffice_ask_role(%(boss)s, 'finance', %(boss)s)",
    "ask for a role without being an administrator": (
        "SELECT backoffice_ask_role(%(clerk)s, 'finance', %(author)s)"
    ),
    "ask for a role that there is not": (
        "SELECT backoffice_ask_role(%(clerk)s, 'owner', %(boss)s)"
    ),
}  # fmt: skip

SUBMIT = (
    "SELECT automations_submit_document({kind}, {key}, {rule}, text, {pins}, {sha}, risk, 'Forged',"
    " {author}, %(author)s, {revision}) FROM automations_document WHERE id = %(document)s"
)


def submit(**changes: str) -> str:
    given = {"kind": "kind", "key": "key", "rule": "rule_id", "pins": "pins", "sha": "sha256",
             "author": "author_id", "revision": "draft_revision"}  # fmt: skip
    return SUBMIT.format(**{**given, **changes})


CALLS |= {
    "submit under a kind that nobody guards": submit(kind="'policy'"),
    "submit a rule as no rule's": submit(rule="NULL"),
    "submit under another key": submit(key="'another'"),
    "submit in another's name": submit(author="%(clerk)s"),
    "submit of a later revision": submit(revision="2147483647"),
    "submit of no revision": submit(revision="NULL"),
    "submit without what it depends on": submit(pins="'{}'"),
    "submit without a hash": submit(sha="NULL"),
}
