-- The organization that the installation belongs to: its owners make other organizations, and say how much each may have.

alter table organizations add column owns_installation boolean not null default false;
create unique index organizations_one_owns on organizations (owns_installation) where owns_installation;
-- In an installation that is there already, the one that its first start made.
update organizations set owns_installation = true
  where id = (select id from organizations order by created_at, id limit 1);

-- It is all owners of that organization, not one user.
alter table users drop column installation_owner;
