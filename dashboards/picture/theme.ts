// The colours of the pictures, near to Grafana's dark ones.

export const THEME = { page: '#111217', panel: '#181b1f', border: '#2c3036', grid: '#25282d', title: '#d5d6e0', text: '#9fa3ad' };

const NAMED: Readonly<Record<string, string>> = {
  green: '#73bf69',
  'dark-green': '#37872d',
  yellow: '#f2cc0c',
  orange: '#ff9830',
  red: '#f2495c',
  'dark-red': '#c4162a',
  blue: '#5794f2',
  'light-blue': '#8ab8ff',
  'dark-blue': '#1f60c4',
  purple: '#b877d9',
  'dark-purple': '#8f3bb8',
  text: '#d5d6e0',
};
const PALETTE = ['#73bf69', '#5794f2', '#f2cc0c', '#b877d9', '#ff9830', '#8ab8ff', '#f2495c', '#37872d'];

/** A colour by Grafana's name. */
export const colour = (name: string): string => NAMED[name] ?? name;
/** The colour of the series that has this place among its like. */
export const ofPalette = (index: number): string => PALETTE[index % PALETTE.length] ?? '#888888';
