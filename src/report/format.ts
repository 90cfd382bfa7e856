/** How numbers and names read in tables, figures and the terminal: one place, so that they agree everywhere. */
import type { FreezePoint } from '../train/results.ts';

/** Text made safe for HTML content and quoted attributes. */
export function escapeHtml(text: unknown): string {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** 0.93 -> '93.0 %' */
export function percent(fraction: number, digits = 1): string {
  return `${(fraction * 100).toFixed(digits)} %`;
}

/** A score in [0, 1] to three decimals. */
export function score(value: number): string {
  return value.toFixed(3);
}

/** A learning rate without the noise of binary fractions: 0.00025000000000000001 -> '0.00025'. */
export function rate(value: number): string {
  return String(Number(value.toPrecision(6)));
}

/** 'none', '10 conv3', '20 fc7 (all)', 'only conv3..conv5', '10 conv3, head first' */
export function freezeLabel(point: FreezePoint): string {
  const { number, name, all, method } = point;
  return `${number === null ? '' : `${number} `}${name}${all ? ' (all)' : ''}${method === undefined ? '' : `, ${method}`}`;
}

/** 'no layer frozen', 'layers frozen through 10 (conv3)', 'all layers but the new one frozen', 'only conv3 trained' */
export function freezePhrase(point: FreezePoint): string {
  const how = point.method === undefined ? '' : `, ${point.method}`;
  if (point.number === null) return (point.name === 'none' ? 'no layer frozen' : `${point.name} trained`) + how;
  if (point.all) return `all layers but the new one frozen${how}`;
  return `layers frozen through ${point.number} (${point.name})${how}`;
}

/** 92 -> '1 min 32 s' */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** 1234567 -> '1,234,567' */
export function integer(value: number): string {
  return value.toLocaleString('en-US');
}

/** 1234.5 -> '1,235 images/s'; below 10 with two digits: big networks take seconds an image */
export function imageRate(perSecond: number): string {
  return `${perSecond < 10 ? perSecond.toPrecision(2) : integer(Math.round(perSecond))} images/s`;
}

/** 1 cell, 2 cells */
export function plural(count: number, noun: string): string {
  return `${integer(count)} ${noun}${count === 1 ? '' : 's'}`;
}
