// Texts that have broken mapping templates, or would like to.

/** Bodies, each of which must arrive as it was sent. */
export const HOSTILE: readonly string[] = [
  '{"order": 7}',
  '{}',
  ' ',
  'plain text',
  `it's`,
  `'`,
  `''''`,
  `\\'`,
  `\\\\'`,
  `\\\\\\'"\\"`,
  '\\',
  '"',
  '\\"',
  '\\u0027 \\u0022 u0027',
  '", "DelaySeconds": 900, "x": "',
  `', "DelaySeconds": 900, 'x': '`,
  '"}, "MessageAttributes": {}, "MessageBody": "other',
  '\\", "DelaySeconds": 900, "x": "\\',
  'a=b&MessageBody=other&DelaySeconds=900',
  '100% +1 %26 %22 %00',
  '$input.body $util.escapeJavaScript("x") ${context.requestId} $!{quote}',
  '#set($x = 1) #if(true) yes #end #foreach($i in [1..9])$i#end #include("/etc/passwd") ## no #* no *# #[[ raw ]]#',
  '@{queueUrl} ${jndi:ldap://localhost/a}',
  '</script><!-- -->',
  'tab\t line\n return\r form\f back\b nul\u0000 del\u007f',
  '\u2028\u2029\u0085\u00a0\ufeff',
  'Grüße, 世界, 🚢, \u{10FFFD}, e\u0301, \u202e',
  '[{"a": [1, 2.50, 1e400, null, true]}]',
  '<a href="x">&amp;</a>',
  '//*/ /* */ \\/',
  `${'x'.repeat(100_000)}'"\\`,
  `'"\\`.repeat(20_000),
];

/** A few hundred texts made of the characters that matter, the same in every run. */
export function mixed(count: number): string[] {
  const pieces = [`'`, '"', '\\', '$', '#', '{', '}', '/', '%', '&', '\n', 'u0027', 'é', '🚢', 'x', ' ', '[', ']', '^', 'Z'];
  let state = 20261120;
  const next = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  return Array.from({ length: count }, () => Array.from({ length: 1 + next(24) }, () => pieces[next(pieces.length)]).join(''));
}
