import { escapeHtml } from './format.ts';

/** HTML text that is safe to insert as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type Content = Html | string | number | undefined | false | readonly Content[];

/** Tagged template for HTML: whatever is inserted is escaped, unless it is HTML itself; lists are joined. */
export function html(strings: TemplateStringsArray, ...values: Content[]): Html {
  return new Html(strings.reduce((text, part, i) => text + insert(values[i - 1]) + part));
}

function insert(value: Content): string {
  if (value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  return Array.isArray(value) ? value.map(insert).join('') : escapeHtml(value);
}
