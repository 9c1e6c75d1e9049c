# Creates, copies and prepares a cluster. A part of postgresql-entrypoint, which sets the variables.
# shellcheck shell=sh disable=SC2154

# The user of this container is postgres on the local socket, without a password; everyone else needs one.
write_access_rules() {
  rule=${method:-scram-sha-256}
  if [ -z "$method" ] && [ -z "$password" ]; then rule=trust; fi
  cat >"$1/pg_hba.conf" <<RULES
# TYPE  DATABASE     USER      ADDRESS  METHOD
local   all          postgres           peer map=container
local   replication  postgres           peer map=container
local   all          all                $rule
host    all          all       all      $rule
host    replication  all       all      $rule
RULES
}

# At each start: the platform may have chosen another user id since the last one.
write_user() {
  echo "container \"$(id -un)\" postgres" >"$1/pg_ident.conf"
}

# Prints the statements for a new cluster.
cluster_statements() {
  [ "$username" = postgres ] || echo 'create role :"username" login createdb;'
  [ -z "$password" ] || echo "alter role :\"username\" password :'password';"
  [ -z "$postgres_password" ] || echo "alter role postgres password :'postgres_password';"
  [ "$database" = postgres ] || echo 'create database :"database" owner :"username";'
  [ "$mode" != primary ] || replication_statements
}

# Prints the statements for the role that replicas connect as. It may exist.
replication_statements() {
  printf '%s\n' "select format('create role %I login', :'replication_user')
    where not exists (select from pg_roles where rolname = :'replication_user') \\gexec"
  echo 'alter role :"replication_user" login replication;'
  [ -z "$replication_password" ] || echo "alter role :\"replication_user\" password :'replication_password';"
}

# Runs statements in one session, if there are any. Passwords are in its environment and not arguments, which other processes could read.
run_statements() (
  [ -n "$1" ] || return 0
  export PASSWORD="$password" POSTGRES_PASSWORD="$postgres_password" REPLICATION_PASSWORD="$replication_password"
  printf '%s\n' '\getenv password PASSWORD' '\getenv postgres_password POSTGRES_PASSWORD' \
    '\getenv replication_password REPLICATION_PASSWORD' "$1" |
    run_psql -v username="$username" -v database="$database" -v replication_user="$replication_user"
)

run_psql() {
  psql -X -q -v ON_ERROR_STOP=1 "$@"
}

# Files of a ConfigMap are not executable.
run_script() {
  if [ -x "$1" ]; then "$1"; else bash -e "$1"; fi
  echo "postgresql-entrypoint: ran $1"
}

run_scripts() (
  export PGUSER="$scripts_user" PGDATABASE="$database"
  export POSTGRESQL_USERNAME="$username" POSTGRESQL_PASSWORD="$password" POSTGRESQL_DATABASE="$database"
  export POSTGRES_USER="$username" POSTGRES_PASSWORD="$password" POSTGRES_DB="$database"
  for script in "$etc"/init.d/* /docker-entrypoint-initdb.d/*; do
    case $script in
      *.sh)
        run_script "$script"
        continue
        ;;
      *.sql) run_psql -f "$script" ;;
      *.sql.gz)
        # A pipe has the exit code of psql alone.
        gzip -t "$script"
        gzip -dc "$script" | run_psql
        ;;
      *) continue ;;
    esac
    echo "postgresql-entrypoint: ran $script"
  done
)

# Starts the server for this script alone: nobody else reaches its socket, and no probe counts it as ready.
# A synchronous replica that does not exist yet would block each commit. Statements may contain passwords.
start_alone() {
  echo 'local all all trust' >"$1/start_hba.conf"
  pg_ctl -D "$1" -s -w -o "-p $PGPORT -c listen_addresses='' -c unix_socket_directories='$1' -c hba_file='$1/start_hba.conf' \
    -c synchronous_standby_names='' -c log_statement=none" start
  export PGHOST="$1" PGUSER=postgres PGDATABASE=postgres
}

stop_alone() {
  pg_ctl -D "$1" -s -w -m fast stop
  rm -f "$1/start_hba.conf"
}

create_cluster() {
  if [ -z "$password" ] && [ "$method" != trust ] && ! is_yes "$allow_empty"; then
    fail 'set POSTGRESQL_PASSWORD or POSTGRESQL_PASSWORD_FILE (or ALLOW_EMPTY_PASSWORD=yes, for tests alone)'
  fi
  # shellcheck disable=SC2086 # several arguments
  initdb -D "$1" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth=trust \
    --no-instructions ${wal_folder:+"--waldir=$wal_folder"} $initdb_args
  write_access_rules "$1"
  printf "include = '%s'\n" "$etc/image.conf" >>"$1/postgresql.conf"
  printf "include_dir = '%s'\n" "$etc/conf.d" >>"$1/postgresql.conf"
  (
    start_alone "$1"
    run_statements "$(cluster_statements)"
    run_scripts
    stop_alone "$1"
  )
  if [ "$mode" = primary ]; then printf '%s\n' "$replication_user" >"$1/replication.user"; fi
}

copy_cluster() {
  seconds=0
  until pg_isready -q -h "$primary_host" -p "$primary_port"; do
    [ "$seconds" -lt "$PRIMARY_SECONDS_MAX" ] || fail "the primary $primary_host:$primary_port does not accept connections" 69
    seconds=$((seconds + 1))
    sleep 1
  done
  PGPASSWORD=$replication_password pg_basebackup -D "$1" -h "$primary_host" -p "$primary_port" -U "$replication_user" \
    --no-password --wal-method=stream --checkpoint=fast ${wal_folder:+"--waldir=$wal_folder"} ||
    fail "the cluster of the primary $primary_host:$primary_port could not be copied" 69
  touch "$1/standby.signal"
}

# Makes the cluster beside its place and moves it there when it is complete: a start that was killed leaves nothing half made.
make_cluster() {
  parent=$(dirname "$PGDATA")
  mkdir -p "$parent" 2>/dev/null && [ -w "$parent" ] ||
    fail "$parent cannot be written by user $uid: mount a volume that belongs to it" 73
  rm -rf "$PGDATA.new"
  if [ "$mode" = replica ]; then copy_cluster "$PGDATA.new"; else create_cluster "$PGDATA.new"; fi
  if [ -d "$PGDATA" ]; then rmdir "$PGDATA"; fi
  mv "$PGDATA.new" "$PGDATA"
}

# Promotes a cluster that was a replica, and creates the role of replicas on a cluster that began without them.
prepare_primary() {
  known=
  if [ -e "$PGDATA/replication.user" ]; then read -r known <"$PGDATA/replication.user"; fi
  if [ "$known" = "$replication_user" ] && [ ! -e "$PGDATA/standby.signal" ]; then return; fi
  (
    start_alone "$PGDATA"
    if [ -e "$PGDATA/standby.signal" ]; then pg_ctl -D "$PGDATA" -s -w promote; fi
    run_statements "$(replication_statements)"
    stop_alone "$PGDATA"
  )
  printf '%s\n' "$replication_user" >"$PGDATA/replication.user"
}

prepare_replica() {
  # It would diverge from the primary, or lose its own changes.
  [ -e "$PGDATA/standby.signal" ] || fail "$PGDATA is the cluster of a primary: a replica starts with an empty volume" 65
  printf '*:*:*:*:%s\n' "$(printf %s "$replication_password" | sed 's/[\\:]/\\&/g')" >"$PGDATA/replication.password"
}

# Prints the connection to the primary. The password is in a file: other processes could read an argument.
connection() {
  for pair in "host=$primary_host" "port=$primary_port" "user=$replication_user" "application_name=$application_name" \
    "passfile=$PGDATA/replication.password"; do
    printf "%s='%s' " "${pair%%=*}" "$(printf %s "${pair#*=}" | sed "s/[\\\\']/\\\\&/g")"
  done
}
