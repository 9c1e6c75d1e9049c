// How messages and logs name a customization.

/** `customization "Company basics" v2`; without a name its id stands there. */
export function customizationTitle({ id, version }: { id: string; version: number }, name?: string): string {
  return `customization ${name === undefined ? id : JSON.stringify(name)} v${version}`;
}
