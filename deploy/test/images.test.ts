// The images that a deployment is given: what Longshore comes into has the manners of Longshore's own.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { file } from './source.ts';

const MANNERS = /^(VOLUME|USER|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT|CMD) /;

/** What the last stage says of how its image is run, in whatever order. */
function manners(dockerfile: string): string[] {
  const lastStage = dockerfile.split(/^FROM /m).at(-1) ?? '';
  return lastStage.split('\n').filter((line) => MANNERS.test(line)).sort();
}

describe('an image that Longshore comes into', () => {
  const own = manners(file('Dockerfile'));
  const [inDocs = ''] = file('docs/docker.md').match(/(?<=```dockerfile\n)[\s\S]*?(?=```)/) ?? [];
  const others = { shell: file('deploy/extend/shell.Dockerfile'), lambda: file('deploy/extend/lambda.Dockerfile'), docs: inDocs };

  for (const [name, text] of Object.entries(others)) {
    it(`is run as Longshore's own: ${name}`, () => assert.deepEqual(manners(text), own));
  }

  it('can write to /tmp on Fargate, where the task mounts it', () => assert.ok(own.includes('VOLUME ["/tmp"]')));
});
