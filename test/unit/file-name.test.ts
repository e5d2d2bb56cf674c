import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberedName, safeFileName } from '../../src/resources/file-name.ts';
import { cases } from '../support/cases.ts';

describe('a file’s name', () => {
  it.each([
    ['report.pdf', 'report.pdf'],
    ['Übersicht Q3 – final.xlsx', 'Übersicht Q3 – final.xlsx'],
    ['../../etc/passwd', '___.._etc_passwd'],
    ['C:\\Windows\\system.ini', 'C:_Windows_system.ini'],
    ['.bashrc', '_bashrc'],
    ['..', '__'],
    ['-rf', '_rf'],
    ['~/.ssh', '__.ssh'],
    ['', 'file'],
    [' \t ', '_'],
    ['a\nb\u0000c\u202Egnp.exe', 'a_b_c_gnp.exe'],
    ['half \uD800 pair', 'half _ pair'],
  ])('%j becomes %j', (given, safe) => {
    expect(safeFileName(given)).toBe(safe);
  });

  it('keeps its ending when it is shortened, and whole characters', () => {
    const safe = safeFileName(`${'🛠'.repeat(200)}.tar.gz`);
    expect(safe).toMatch(/^(🛠)+(\.tar)?\.gz$/u);
    expect(Buffer.byteLength(safe)).toBeLessThanOrEqual(180);
  });

  it('is one harmless component of a path, whatever was given, also with a number', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), fc.integer({ min: 1, max: 10_000 }), (given, n) => {
        const name = numberedName(safeFileName(given), n);
        expect(name).not.toMatch(/[/\\\0\n\r]|^[.~-]|^\s|^$/u);
        expect(name).not.toMatch(/\p{Surrogate}/u);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
        expect(safeFileName(safeFileName(given))).toBe(safeFileName(given));
      }),
      cases(),
    );
  });

  it('gets its number before its ending', () => {
    expect(numberedName('report.pdf', 1)).toBe('report.pdf');
    expect(numberedName('report.pdf', 2)).toBe('report-2.pdf');
    expect(numberedName('Makefile', 3)).toBe('Makefile-3');
  });
});
