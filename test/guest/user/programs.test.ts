/** Programs of the shell on a whole machine, those that no other test is about. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Run } from '../../support/run.ts';

const MEMORY_BYTES = 128 * 1024 * 1024;

describe('kldload and kldunload', () => {
  it('take a driver from its devices, and give it back', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot().login();
    expect(run.type('kldstat')).toMatch(
      / 1 {2}kernel\n 2 {2}hv_vmbus\n(?:.*\n)* *\d+ {2}hv_netvsc\n/,
    );
    const unloaded = run.type('kldunload hv_netvsc');
    expect(unloaded).toContain('hn0: detached');
    expect(run.type('ifconfig hn0')).toContain('interface hn0 does not exist');
    expect(run.type('kldstat')).not.toContain('hv_netvsc');
    run.type('kldload hv_netvsc');
    expect(run.untilText('bound to', 30, run.text.lastIndexOf('kldload'))).toBe(true);
    expect(run.type('kldstat')).toContain('hv_netvsc');
    expect(run.type('ping -c 1 192.168.100.1')).toContain(' 0.0% packet loss');
  });

  it('refuse what is in use, and what there is not', () => {
    const run = new Run().boot().login();
    expect(run.type('kldunload hv_storvsc')).toContain("can't do that to hv_storvsc: Device busy");
    expect(run.type('kldload linux')).toContain(
      "kldload: can't find file linux: No such file or directory\n",
    );
    expect(run.type('ls /dev/da0')).toContain('/dev/da0\n');
  });
});

describe('programs of the network', () => {
  it('fetch gets what httpd serves, ab counts, and both say what went wrong', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot().login();
    const local = 'http://127.0.0.1';
    expect(run.type(`fetch ${local}/page`)).toContain(`fetch: ${local}/page: Connection refused\n`);
    run.type('httpd');
    run.type('mkdir -p /site/below && echo hello > /site/page && echo deep > /site/below/leaf');
    expect(run.type(`fetch -o /copy ${local}/site/page`)).toContain('/copy 6 B\n');
    expect(run.type('cat /copy')).toContain('\nhello\n');
    expect(run.type(`fetch ${local}/none`)).toContain('Not Found\n');
    expect(run.type(`fetch -r -o /tree ${local}/site/`)).toContain('2 files\n');
    expect(run.type('cat /tree/below/leaf')).toContain('\ndeep\n');
    expect(run.type(`ab -n 3 ${local}/site/page`)).toContain(
      'Complete requests: 3\nFailed requests: 0\n',
    );
    expect(run.type(`ab -n 2 ${local}/none`)).toContain('Failed requests: 2\n');
    expect(run.type('fetch ftp://1.2.3.4/x')).toContain('usage: fetch');
  });

  it('ntpd steps a clock that is far off to the time of its server, and ntpq tells', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: MEMORY_BYTES }).boot().login();
    const { kernel } = run;
    const driftUs = (): number => kernel.wallClockUs() - run.nowNs / 1_000;
    const before = driftUs();
    kernel.setWallClockUs(kernel.wallClockUs() + 5_000_000);
    expect(run.type('ntpq')).toContain('ntpq: no association\n');
    run.type('ntpd 192.168.100.1');
    run.forSeconds(3);
    expect(run.type('ntpq')).toMatch(/offset=-(?:4999|5000)\.\d{3} answers=1\n/);
    expect(Math.abs(driftUs() - before)).toBeLessThan(1_000);
    run.forSeconds(32);
    // Nothing is left but the way there and back.
    expect(run.type('ntpq')).toMatch(/offset=-?0\.\d{3} answers=3\n/);
    expect(run.type('ntpd 192.168.100.1')).toContain('usage: ntpd ADDRESS, once\n');
    expect(run.type('pkill ntpd; echo $?')).toContain('\n0\n');
    expect(run.type('pkill ntpd; echo $?')).toContain('\n1\n');
  });
});

describe('split', () => {
  it('cuts a file into parts that are the whole again', () => {
    const run = new Run().boot().login();
    const text = 'twelve bytes';
    run.type(`echo ${text} > /whole`);
    run.type('split -b 5 /whole /part.');
    expect(run.type('ls /part.aa && ls /part.ab && ls /part.ac')).toContain(
      '/part.aa\n/part.ab\n/part.ac\n',
    );
    expect(run.type('ls /part.ad')).toContain('No such file or directory');
    const md5 = createHash('md5').update(`${text}\n`).digest('hex');
    run.type('cat /part.aa /part.ab /part.ac > /again');
    expect(run.type('md5 -q /again')).toContain(`${md5}\n`);
    expect(run.type('split -b five /whole')).toContain('split: ');
  });
});
