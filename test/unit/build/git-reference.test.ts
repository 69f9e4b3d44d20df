import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InstructionProblem } from '../../../lib/build/language/build-error.js';
import { isGit, parseGitReference, refIn, sshHostOf } from '../../../lib/build/language/git-reference.js';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);

describe('references to git repositories', () => {
  // the cases of BuildKit's dfgitutil, and of git_ref.go
  it.each([
    ['https://example.org/a/b.git', true],
    ['HTTPS://example.org/a/b.git?ref=x#y', true],
    ['http://example.org/b.git#main:dir', true],
    ['https://example.org/a/b', false],
    ['https://example.org/a.git/b', false],
    ['https://example.org/a?x=b.git', false],
    ['git://example.org/a', true],
    ['ssh://git@example.org/a', true],
    ['git@example.org:a/b.git', true],
    ['user.name@example.org:22/a', true],
    ['github.com/a/b', false],
    ['./a.git', false],
    ['a@b/c:d', false],
    ['ext::sh -c x', false],
    ['file:///a.git', false],
  ])('%s: %s', (source, expected) => {
    expect(isGit(source)).toBe(expected);
  });

  it.each([
    ['https://h/a.git', {}],
    ['https://h/a.git#v1', { ref: 'v1' }],
    ['https://h/a.git#baz/qux:quux/quuz', { ref: 'baz/qux', subdir: 'quux/quuz' }],
    ['https://h/a.git#:../../d/./e/', { subdir: 'd/e' }],
    ['https://h/a.git?tag=v1&subdir=d', { ref: 'refs/tags/v1', subdir: 'd' }],
    ['https://h/a.git?branch=refs/heads/x', { ref: 'refs/heads/x' }],
    [`https://h/a.git?commit=${A.toUpperCase()}`, { ref: A, checksum: A }],
    ['https://h/a.git?ref=x&checksum=abc&keep-git-dir&submodules=0', { ref: 'x', checksum: 'abc', keepGitDir: true, submodules: false }],
    ['https://h/a.git?ref=x#x', { ref: 'x' }],
    ['https://h/a.git?mtime=checkout', { mtime: 'checkout' }],
    [`https://h/a.git?ref=x&checksum=${B}&fetch-by-commit=true`, { ref: 'x', checksum: B, byCommit: true }],
  ])('reads %s', (source, expected) => {
    const none = { ref: '', subdir: '', checksum: '', keepGitDir: null, submodules: true, mtime: 'commit', byCommit: false };
    expect(parseGitReference(source)).toEqual({ remote: 'https://h/a.git', scheme: 'https', ...none, ...expected });
  });

  it.each([
    ['https://h/a.git?x=1', 'unexpected query "x"'],
    ['https://h/a.git?ref=', 'has no value'],
    ['https://h/a.git?ref=a&ref=b', 'multiple values'],
    ['https://h/a.git?ref=a#b', 'ref conflicts'],
    ['https://h/a.git?tag=a&branch=a', 'ref conflicts'],
    ['https://h/a.git?submodules=maybe', 'invalid submodules value'],
    ['https://h/a.git?mtime=now', 'invalid mtime value'],
    ['https://h/a.git?checksum=xyz', 'invalid checksum'],
    ['https://h/a.git?checksum=abc&fetch-by-commit', 'requires a whole commit'],
    ['https://h/a.git#-x', 'no name of a branch'],
    ['https://h/a.git#a..b', 'no name of a branch'],
    ['https://h/a.git#a\nb', 'no name of a branch'],
    ['https://u:p@h/a.git', 'a name or a password'],
    ['https://h:x/a.git', 'it is no URL'],
    ['ssh://u:p@h/a.git', 'a repository of h: its URL has a password'],
    ['ssh://-oProxyCommand=x/a', 'none of ssh://'],
    ['ssh://-u@h/a', 'none of ssh://'],
    ['ssh://h', 'none of ssh://'],
    ['ssh://h:22x/a', 'none of ssh://'],
    ['ssh://h;x/a', 'none of ssh://'],
    ['ssh://h/a\nb', 'none of ssh://'],
    ['-u@h:a', 'none of ssh://'],
    ['u@-h:a', 'none of ssh://'],
    ['u@h:-a', 'none of ssh://'],
  ])('refuses %j: %s', (source, message) => {
    expect(() => parseGitReference(source)).toThrow(message);
  });

  it('refuses the longest of words at once', () => {
    for (const sign of [':', '@', 'a', '/', ':@'])
      expect(() => parseGitReference(`ssh://${sign.repeat(1024 ** 2 / sign.length)}#`)).toThrow(InstructionProblem);
  });

  it.each([
    ['ssh://git@example.org:2222/a/b.git', 'example.org'],
    ['ssh://example.org/~x/a', 'example.org'],
    ['ssh://x@[2001:db8::1]:22/a', '2001:db8::1'],
    ['git@example.org:a/b.git', 'example.org'],
    ['git@ex*mple.org:a', ''],
    ['https://example.org/a.git', ''],
  ])('the host of %j for ssh(1) is %j', (remote, host) => {
    expect(sshHostOf(remote)).toBe(host);
  });

  it('tells of no place by SSH that a program takes for an option', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'-@:/.ab[]%; \n') }), (text) => {
        for (const remote of [`ssh://${text}`, text]) {
          const host = sshHostOf(remote);
          expect(host).toMatch(/^(?:[A-Za-z0-9][A-Za-z0-9.-]*|[0-9A-Fa-f:.]+)?$/);
          // the user, or the path of a place as scp(1) writes it
          if (host !== '') expect(remote.replace('ssh://', '')).not.toMatch(/^-|^[^/]*@[^/:]*:-/);
        }
      }),
    );
  });

  it('gives a reference or an InstructionProblem, and never a name that is an option', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (query, fragment) => {
        try {
          const { ref, subdir } = parseGitReference(`https://h/a.git?${query}#${fragment}`);
          expect(ref).not.toMatch(/^-/);
          expect(subdir.split('/')).not.toContain('..');
        } catch (error) {
          if (!(error instanceof InstructionProblem)) throw error;
        }
      }),
    );
  });

  it('finds what a name means as git-checkout(1) does', () => {
    const listing = [
      `${A}\tHEAD`,
      `${A}\trefs/heads/x`,
      `${B}\trefs/tags/x`,
      `${B}\trefs/tags/t`,
      `${A}\trefs/tags/t^{}`,
      `${B}\trefs/pull/1`,
    ].join('\n');
    expect(['', 'x', 'refs/tags/x', 't', 'refs/pull/1', 'pull/1', 'none'].map((name) => refIn(listing, name))).toEqual([
      { commit: A, tag: null, ref: 'HEAD' },
      { commit: A, tag: null, ref: 'refs/heads/x' },
      { commit: B, tag: null, ref: 'refs/tags/x' },
      { commit: A, tag: B, ref: 'refs/tags/t' },
      { commit: B, tag: null, ref: 'refs/pull/1' },
      { commit: B, tag: null, ref: 'refs/pull/1' },
      null,
    ]);
    expect(refIn('not a commit\trefs/heads/x', 'x')).toBeNull();
  });
});
