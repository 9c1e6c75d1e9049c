-- Names the installation in its content folder, so that no process takes another installation's folder for its own.
alter table installation add column id uuid not null default gen_random_uuid();
-- Made from what an older backup of this database holds too: a restored one still fits the folder.
update installation set id = encode(substring(sha256(issuer::bytea) from 1 for 16), 'hex')::uuid where issuer is not null;
