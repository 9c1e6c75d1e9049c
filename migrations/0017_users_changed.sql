-- Users who changed within the life of an access token are asked for every few seconds.
create index users_by_change on users (updated_at);
