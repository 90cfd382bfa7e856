import { FrostlineError } from '../errors.ts';
import { nearestHint } from './nearest.ts';
import { camelCase, type OptionSpec, readValue } from './options.ts';
import { readYaml } from './yaml.ts';

/**
 * Reads option values from a YAML or JSON file (JSON is YAML), or for `-` from standard input. Keys are those of the flags, in kebab-case or camelCase.
 * @returns values by the option's key
 */
export async function readConfig(path: string, specs: readonly OptionSpec[]): Promise<Record<string, unknown>> {
  const entries = asKeys(path, await readYaml(path, 'as-written'));
  const values: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(entries)) {
    const spec = specs.find(({ key, flag }) => name === flag || camelCase(name) === key);
    if (spec === undefined) {
      const known = specs.map(({ key, flag }) => (name.includes('-') ? flag : key));
      throw new FrostlineError(`${path}: unknown key '${name}'; ${nearestHint(name, known)}`);
    }
    if (spec.key in values) {
      throw new FrostlineError(`${path}: '${spec.key}' is given twice, once as '${name}'; keep one of them`);
    }
    values[spec.key] = givenValue(spec, value);
  }
  return values;
}

/** As a flag's value, but what is a list in the file is one already: its names may hold commas. */
function givenValue(spec: OptionSpec, value: unknown): unknown {
  if (spec.kind !== 'list' || !Array.isArray(value)) return readValue(spec, value);
  return value.map((item) => (typeof item === 'string' ? spec.read(item) : item));
}

function asKeys(path: string, value: unknown): Record<string, unknown> {
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new FrostlineError(
      `${path}: holds ${Array.isArray(value) ? 'a list' : `the value ${JSON.stringify(value)}`}; expected keys and values, such as 'epochs: 6'`,
    );
  }
  return value as Record<string, unknown>;
}
