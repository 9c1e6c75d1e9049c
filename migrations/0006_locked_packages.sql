-- Which packages the newest release of each application locks, so that one that moves in the archive finds who holds it.

create table locked_packages (
  id bigserial primary key,
  operating_system_id uuid not null references operating_systems,
  name text not null,
  architecture text not null,
  version text not null,
  -- What the archive offered when it was last asked: another offer is a move, the same one has been acted on.
  offered text,
  unique (operating_system_id, name, architecture, version)
);

create table application_packages (
  application_id uuid not null references applications,
  package_id bigint not null references locked_packages,
  primary key (application_id, package_id)
);
create index application_packages_by_package on application_packages (package_id, application_id);
