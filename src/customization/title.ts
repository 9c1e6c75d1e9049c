// The title of a customization in messages and logs.

/** `customization "Company basics" v2`; without a name, the id is used. */
export function customizationTitle({ id, version }: { id: string; version: number }, name?: string): string {
  return `customization ${name === undefined ? id : JSON.stringify(name)} v${version}`;
}
