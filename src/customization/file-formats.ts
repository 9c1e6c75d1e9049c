// Detects file formats other than .tar.gz by their first bytes, and names the remedy for each.

/** How to make the archive from a folder. */
export const PACKING = 'pack the folder with «tar czf»';

/** The number of bytes that `formatOf` needs. */
export const HEAD_BYTES = 262;

type FileFormat = {
  /** The name as in a sentence: with an article, if it needs one. */
  name: string;
  /** A command or an instruction that makes a valid upload. */
  remedy: string;
  magic: Buffer;
  /** The offset of the magic in the file; 0 if absent. */
  offset?: number;
};

const unpacked = (command: string) => `unpack it with «${command}» and ${PACKING}`;
const converted = (command: string) => `convert it with «${command} FILE | gzip > FILE.tar.gz»`;

/** All bytes of each magic are compared: the name of a file at the start of a tar archive could begin with the first few. */
const FORMATS: readonly FileFormat[] = [
  { name: 'gzip', remedy: 'decompress it once with «gunzip»', magic: Buffer.from('1f8b08', 'hex') },
  { name: 'a zip archive', remedy: unpacked('unzip FILE'), magic: Buffer.from('PK\x03\x04', 'latin1') },
  { name: 'an empty zip archive', remedy: PACKING, magic: Buffer.from('PK\x05\x06', 'latin1') },
  { name: 'a rar archive', remedy: unpacked('unrar x FILE'), magic: Buffer.from('Rar!\x1a\x07', 'latin1') },
  { name: 'a 7z archive', remedy: unpacked('7z x FILE'), magic: Buffer.from('377abcaf271c', 'hex') },
  { name: 'zstd', remedy: converted('zstd -dc'), magic: Buffer.from('28b52ffd', 'hex') },
  { name: 'xz', remedy: converted('xz -dc'), magic: Buffer.from('fd377a585a00', 'hex') },
  { name: 'bzip2', remedy: converted('bzip2 -dc'), magic: Buffer.from('BZh', 'latin1') },
  { name: 'lzma', remedy: converted('xz -dc --format=lzma'), magic: Buffer.from('5d0000', 'hex') },
  { name: 'lz4', remedy: converted('lz4 -dc'), magic: Buffer.from('04224d18', 'hex') },
  { name: 'lzip', remedy: converted('lzip -dc'), magic: Buffer.from('LZIP\x01', 'latin1') },
  { name: 'compress (.Z)', remedy: converted('gzip -dc'), magic: Buffer.from('1f9d', 'hex') },
  { name: 'a xar archive', remedy: unpacked('bsdtar -xf FILE'), magic: Buffer.from('xar!') },
  { name: 'an RPM package', remedy: unpacked('rpm2cpio FILE | cpio -id'), magic: Buffer.from('edabeedb', 'hex') },
  { name: 'a cpio archive', remedy: unpacked('cpio -id < FILE'), magic: Buffer.from('07070', 'latin1') },
  { name: 'an ar archive, such as a Debian package', remedy: unpacked('ar x FILE'), magic: Buffer.from('!<arch>\n') },
  {
    name: 'a tar archive without compression',
    remedy: 'compress it with «gzip FILE»',
    magic: Buffer.from('ustar'),
    offset: 257,
  },
];

/** Returns the format of a file that is not gzip, by its first bytes; undefined if unknown. */
export function formatOf(head: Buffer): Pick<FileFormat, 'name' | 'remedy'> | undefined {
  return FORMATS.find(({ magic, offset = 0 }) => head.subarray(offset, offset + magic.length).equals(magic));
}
