# Copies a branch of a git repository into the served folder: once, or each SITE_SECONDS with the argument "forever".
# The history stays in GIT_DIR, outside of the served folder.
set -eu
# SITE_REPOSITORY may name variables, as https://user:${TOKEN}@git.example.com/site.
eval "repository=\"$SITE_REPOSITORY\""
[ -f "$GIT_DIR/HEAD" ] || git init --quiet

copy_site() {
  git fetch --quiet --depth 1 -- "$repository" "${SITE_BRANCH:-HEAD}" && git read-tree --reset -u FETCH_HEAD
}

if [ "${1-}" != forever ]; then
  copy_site
  exit
fi
while sleep "$SITE_SECONDS"; do
  copy_site || echo "The site was not copied; the next attempt is in $SITE_SECONDS seconds." >&2
done
