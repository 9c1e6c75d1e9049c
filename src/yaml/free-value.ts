// Reads values that another program defines. Rejects values that programs read in different ways.
import { quoted } from './quoted.ts';
import type { YamlValue } from './yaml-document.ts';
import type { FreeMap, FreeValue } from './yaml-fields.ts';

/** The longest key, in characters. YAML itself limits keys to 1,024 characters, and real keys have a tenth of this. */
const KEY_LENGTH_MAX = 256;
/** A key that is rejected, because it has a special meaning in JavaScript. */
const PROTOTYPE = '__proto__';

/** A fault of a value, and the keys and positions that lead to it. */
type FreeFault = { line: number; place: string[]; reason: string };

/** Words that are booleans in YAML 1.1, and text in YAML 1.2. */
const BOOLEAN_OF_OLD = /^(?:y|n|yes|no|on|off)$/i;
/** Numbers that YAML 1.1 and 1.2 read differently. They are octal or binary, or contain underscores or colons. */
const NUMBER_OF_ONE = /^[-+]?(?:0[bo0-9][0-9_]*|[0-9][0-9.]*_[0-9_.]*|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?)$/i;

/** Returns the value as JSON, and its faults. The value is only complete if it has no fault. */
export function freeValue(node: YamlValue): { value: FreeValue; faults: FreeFault[] } {
  const faults: FreeFault[] = [];
  return { value: read(node, [], faults), faults };
}

function read(node: YamlValue, place: string[], faults: FreeFault[]): FreeValue {
  const tell = (line: number, reason: string, at = place) => faults.push({ line, place: at, reason });
  if (node.kind === 'nothing') return null;
  if (node.kind === 'list') return node.items.map((item, index) => read(item, [...place, String(index)], faults));
  if (node.kind === 'map') {
    const map: FreeMap = {};
    for (const { key, line, value } of node.entries) {
      const at = [...place, key.slice(0, KEY_LENGTH_MAX)];
      if (key.length > KEY_LENGTH_MAX) tell(line, `has more than ${KEY_LENGTH_MAX} characters`, at);
      else if (key === PROTOTYPE) tell(line, 'is not allowed as a key', at);
      else map[key] = read(value, at, faults);
    }
    return map;
  }
  const problem = scalarFault(node);
  if (problem !== undefined) tell(node.line, problem);
  return node.value as FreeValue;
}

function scalarFault({ text, value, isPlain }: YamlValue & { kind: 'scalar' }): string | undefined {
  if (isPlain && (BOOLEAN_OF_OLD.test(text) || NUMBER_OF_ONE.test(text)))
    return `is ${quoted(text)} without quotes, which programs read differently; write the text in quotes, or true, false or a decimal number`;
  if (
    typeof value === 'number' &&
    (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
  )
    return 'is a number that programs read differently; write it in quotes';
  if (typeof value === 'string' && (value.includes('\u0000') || !value.isWellFormed()))
    return 'must be text without NUL and without half characters';
  return undefined;
}
