// Reads the names of extended attributes with the machine's tar, because Node cannot read them. The names are sent, so that
// the server can warn that the image will not have these attributes.
import { spawn } from 'node:child_process';
import { MachineAttributes } from '../customization/machine-attributes.ts';
import { TarError } from '../tar/errors.ts';
import { readTar } from '../tar/read.ts';
import { type FolderEntry, isKnownTop } from './folder.ts';

/** The value that is sent for each attribute. The server needs only the names, because no image gets the attributes. */
const LEFT_OUT = Buffer.from('left out');
/** The name that the kernel gives to a file's access list (acl(5)). */
const ACCESS_LIST = 'system.posix_acl_access';

/**
 * Adds the names of extended attributes to the headers of a folder's entries. Omits attributes that a machine gives to every
 * file. Returns false if no tar of this machine can read attributes.
 */
export async function addAttributes(root: string, entries: readonly FolderEntry[]): Promise<boolean> {
  const headers = new Map(entries.map(({ header }) => [header.path, header]));
  // Reads only names that a customization may have at its top. Other folders are rejected, and may be very large, for example
  // if a person names their home folder by mistake.
  const tops = [...headers.keys()].filter(isKnownTop);
  if (tops.length === 0) return true;
  const options = ['--create', '--xattrs', '--acls', '--file=-', `--directory=${root}`, '--', ...tops];
  const tar = spawn('tar', options, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<boolean>((resolve) => {
    tar.once('error', () => resolve(false));
    tar.once('close', (code) => resolve(code === 0));
  });
  try {
    for await (const { header } of readTar(tar.stdout, { lenient: true })) {
      const found = headers.get(header.path);
      const names = [...Object.keys(header.xattrs ?? {}), ...(header.acl === true ? [ACCESS_LIST] : [])];
      const kept = names.filter((name) => !new MachineAttributes().count(name)).sort();
      if (found !== undefined && kept.length > 0)
        found.xattrs = Object.fromEntries(kept.map((name) => [name, LEFT_OUT]));
    }
    return await ended;
  } catch (error) {
    tar.kill();
    // The archive is incomplete, because this tar does not know the options (BusyBox) or a file changed while it was read.
    if (error instanceof TarError) return false;
    throw error;
  }
}
