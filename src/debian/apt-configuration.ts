// Settings with which apt works in a separate folder. They override the settings of the machine.
import { join } from 'node:path';

export type AptPaths = ReturnType<typeof pathsIn>;

/** Returns the paths of an apt root below its directory. */
export function pathsIn(directory: string) {
  return {
    state: join(directory, 'state'),
    lists: join(directory, 'state', 'lists'),
    partial: join(directory, 'state', 'lists', 'partial'),
    cache: join(directory, 'cache'),
    archives: join(directory, 'cache', 'archives', 'partial'),
    sourceparts: join(directory, 'etc', 'sources.list.d'),
    log: join(directory, 'log'),
    solves: join(directory, 'solves'),
    work: join(directory, 'work'),
    status: join(directory, 'status'),
    configuration: join(directory, 'etc', 'apt.conf'),
  };
}

/**
 * Returns the settings for `-c`. apt reads them last, so they override the settings of the machine. The machine's hooks, pins
 * and default release must not apply. A hook could delete files of this root's cache, and a pin would select other versions.
 */
export function configurationOf(paths: AptPaths, architecture: string): string {
  const own = {
    'Dir::State': paths.state,
    'Dir::State::lists': paths.lists,
    'Dir::State::status': paths.status,
    'Dir::State::extended_states': join(paths.state, 'extended_states'),
    'Dir::Cache': paths.cache,
    'Dir::Cache::archives': join(paths.cache, 'archives'),
    // Keeps apt's cache of the indexes, which all solves share. The cache that includes the dpkg status is not kept, because
    // it would differ for each base image.
    'Dir::Cache::srcpkgcache': join(paths.cache, 'srcpkgcache.bin'),
    'Dir::Cache::pkgcache': '',
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': paths.sourceparts,
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Dir::Log': paths.log,
    'APT::Architecture': architecture,
    'APT::Default-Release': '',
    'APT::Install-Recommends': 'false',
    'APT::Install-Suggests': 'false',
    // Package names are literal, so apt must not read them as patterns or regular expressions.
    'APT::Cmd::Pattern-Only': 'true',
    'APT::Get::Show-Versions': 'false',
    'Acquire::ForceHash': 'SHA256',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '3',
  };
  const cleared = [
    'APT::Update',
    'DPkg::Pre-Invoke',
    'DPkg::Post-Invoke',
    'DPkg::Pre-Install-Pkgs',
    'APT::Architectures',
  ];
  return [
    ...cleared.map((name) => `#clear ${name};`),
    `APT::Architectures { "${architecture}"; };`,
    ...Object.entries(own).map(([name, value]) => `${name} "${value}";`),
    '',
  ].join('\n');
}
