// Words of the contract as people type them.
import { InvalidArgumentError } from 'commander';

/** The word of the contract: `helm-chart` is HELM_CHART. Throws InvalidArgumentError. */
export function wordOf<W extends string>(words: readonly W[], text: string): W {
  const word = words.find((one) => one === text.toUpperCase().replaceAll('-', '_'));
  if (word === undefined) throw new InvalidArgumentError(`It should be one of ${words.map(typedAs).join(', ')}.`);
  return word;
}

/** How help shows a word. */
export function typedAs(word: string): string {
  return word.toLowerCase().replaceAll('_', '-');
}

/** How ids look. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
