// The title of a customization in messages and logs.

/** Returns `customization "Company basics" v2`. If the customization has no name, its id stands in place of the name. */
export function customizationTitle({ id, version }: { id: string; version: number }, name?: string): string {
  return `customization ${name === undefined ? id : JSON.stringify(name)} v${version}`;
}
