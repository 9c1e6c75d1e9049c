# Creates, copies, updates and prepares the data. A part of mariadb-entrypoint, which sets the variables.
# shellcheck shell=sh disable=SC2154

# The private server listens here alone: no client and no probe sees an unfinished database.
PRIVATE_SOCKET=/tmp/mariadb-private.sock

# Prints a line. The echo of this shell would replace backslashes.
line() { printf '%s\n' "$1"; }
# Prints a text as a literal of SQL, for sessions without sql_mode.
literal() { printf "'%s'" "$(printf %s "$1" | sed "s/\\\\/&&/g; s/'/''/g")"; }
# Prints a name of SQL in its quotes.
identifier() { printf '`%s`' "$(printf %s "$1" | sed 's/`/``/g')"; }

# Runs statements of the input as the account mysql. Passwords are not arguments, which other processes could read.
run_sql() {
  mariadb --no-defaults --default-character-set=utf8mb4 --protocol=socket --socket="$PRIVATE_SOCKET" --user=mysql "$@"
}

# Starts the server for this script alone. Takes the folder of the data, and more arguments.
start_private() {
  folder=$1
  shift
  rm -f "$PRIVATE_SOCKET"
  eval "mariadbd --datadir=\"\$folder\" --socket=\"\$PRIVATE_SOCKET\" $options --skip-networking \"\$@\" &"
  server=$!
  until mariadb-admin --no-defaults --protocol=socket --socket="$PRIVATE_SOCKET" --user=mysql --silent ping >/dev/null 2>&1; do
    # The recovery of a large database takes long; a server that ended has said why.
    kill -0 "$server" 2>/dev/null || fail 'MariaDB did not start; the reason is above' 70
    sleep 0.1
  done
}

stop_private() {
  kill "$server"
  wait "$server" || fail 'MariaDB did not stop cleanly' 70
}

# The account of this image on the local socket. Data of another image may lack it.
account_statements() {
  echo 'create user if not exists mysql@localhost identified via unix_socket;'
  echo 'grant all privileges on *.* to mysql@localhost with grant option;'
}

# Prints the statements for new data.
data_statements() {
  line "set sql_mode = '';"
  account_statements
  if ! is_yes "$random_root"; then
    for host in localhost "$root_host"; do
      account=$(literal "$root_user")@$(literal "$host")
      line "create user if not exists $account;"
      line "alter user $account identified by $(literal "$root_password");"
      line "grant all privileges on *.* to $account with grant option;"
    done
  fi
  [ -z "$database" ] || line "create database if not exists $(identifier "$database");"
  if [ -n "$username" ]; then
    account="$(literal "$username")@'%'"
    line "create user $account identified by $(literal "$password");"
    # In grants, _ and % would match other names.
    [ -z "$database" ] || line "grant all privileges on $(identifier "$(printf %s "$database" | sed 's/[_%]/\\&/g')").* to $account;"
  fi
}

# Files of a ConfigMap are not executable.
run_script() {
  case $1 in
    *.sh) if [ -x "$1" ]; then "$1"; else bash -e "$1"; fi ;;
    *.sql) run_sql ${database:+"--database=$database"} <"$1" ;;
    *.sql.gz)
      # A pipe has the exit code of its last program.
      gzip -t "$1"
      gzip -dc "$1" | run_sql ${database:+"--database=$database"}
      ;;
    *) return 0 ;;
  esac
  echo "mariadb-entrypoint: ran $1"
}

# Runs scripts of folders in the order of their names. They reach the private server by the same variables as clients in the container.
run_scripts() (
  export MYSQL_UNIX_PORT="$PRIVATE_SOCKET"
  for prefix in MARIADB MYSQL; do
    export "${prefix}_ROOT_USER=$root_user" "${prefix}_ROOT_PASSWORD=$root_password" "${prefix}_DATABASE=$database"
    export "${prefix}_USER=$username" "${prefix}_PASSWORD=$password"
  done
  for folder; do
    for script in "$folder"/*; do
      if [ -e "$script" ]; then run_script "$script"; fi
    done
  done
)

# Creates the tables of the system.
install_tables() {
  mariadb-install-db --datadir="$1" --auth-root-socket-user=mysql --skip-test-db --cross-bootstrap >/tmp/install.log 2>&1 || {
    cat /tmp/install.log >&2
    fail 'the tables of the system could not be created; the reason is above' 70
  }
  rm /tmp/install.log
}

create_data() {
  if [ -z "$root_password" ] && ! is_yes "$allow_empty" && ! is_yes "$random_root"; then
    fail 'set MARIADB_ROOT_PASSWORD or MARIADB_ROOT_PASSWORD_FILE (or ALLOW_EMPTY_PASSWORD=yes, for tests alone)'
  fi
  if [ -n "$username" ] && [ -z "$password" ] && ! is_yes "$allow_empty"; then
    fail 'MARIADB_USER requires MARIADB_PASSWORD or MARIADB_PASSWORD_FILE'
  fi
  install_tables "$1"
  start_private "$1"
  data_statements | run_sql
  run_scripts "$etc/init.d" /docker-entrypoint-initdb.d
  stop_private
}

# Makes the data beside its place and moves it there when it is complete: a start that was killed leaves nothing half made.
make_data() {
  parent=$(dirname "$data")
  mkdir -p "$parent" 2>/dev/null && [ -w "$parent" ] ||
    fail "$parent cannot be written by user $uid: mount a volume that belongs to it" 73
  rm -rf "$data.new"
  mkdir "$data.new"
  if [ "$mode" = replica ]; then copy_data "$data.new"; else create_data "$data.new"; fi
  printf '%s\n' "$MARIADB_BRANCH" >"$data.new/image.branch"
  if [ -d "$data" ]; then rmdir "$data"; fi
  mv "$data.new" "$data"
}

# Prints the branch that wrote the data: that of this image's mark, else the one that MariaDB noted. Prints nothing if neither exists.
branch_of_data() {
  for file in image.branch mariadb_upgrade_info mysql_upgrade_info; do
    if [ -s "$data/$file" ]; then
      sed -n '1s/^\([0-9]*\.[0-9]*\).*/\1/p' "$data/$file"
      return
    fi
  done
}
number() { echo "$((${1%%.*} * 1000 + ${1#*.}))"; }

# Updates tables of the system that an older branch or another image wrote.
update_data() {
  [ -w "$data" ] || fail "$data cannot be written by user $uid: mount a volume that belongs to it" 73
  found=$(branch_of_data)
  if [ -n "$found" ] && [ "$(number "$found")" -gt "$(number "$MARIADB_BRANCH")" ]; then
    fail "$data is of MariaDB $found and this image has $MARIADB_BRANCH, which cannot read it" 65
  fi
  if [ "$found" = "$MARIADB_BRANCH" ] && [ -e "$data/image.branch" ]; then return; fi
  echo "mariadb-entrypoint: updating data of MariaDB ${found:-of an unknown branch} to $MARIADB_BRANCH"
  start_private "$data" --skip-grant-tables --skip-slave-start --skip-log-bin
  mariadb-upgrade --no-defaults --protocol=socket --socket="$PRIVATE_SOCKET" --user=mysql --force --silent
  stop_private
  account_statements >/tmp/account.sql
  start_private "$data" --init-file=/tmp/account.sql --skip-slave-start --skip-log-bin
  stop_private
  rm /tmp/account.sql
  printf '%s\n' "$MARIADB_BRANCH" >"$data/image.branch"
}

# Runs scripts of each start.
run_start_scripts() {
  for script in "$etc"/start.d/* /docker-entrypoint-startdb.d/*; do
    [ -e "$script" ] || continue
    start_private "$data"
    run_scripts "$etc/start.d" /docker-entrypoint-startdb.d
    stop_private
    return
  done
}
