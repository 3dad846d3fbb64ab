import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { metricsPage, runMetrics } from '../../../coordinator/watch/metrics-page.js';
import { counts } from './counts.js';

/** The values of a page by metric and labels, as Prometheus reads them. */
function valuesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, name = '', value = ''] = /^([a-z_]+(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      return [name, Number(value)];
    }),
  );
}

describe('the page of the metrics', () => {
  it('has what a run has counted, with type and help of each', async () => {
    const { text, contentType } = await metricsPage(counts);
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
    for (const [name, { type, help }] of Object.entries(runMetrics))
      expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`);
    expect(Object.fromEntries(valuesOf(text))).toEqual({
      'stillhouse_run_info{run="r1",name="small",generation="2"}': 1,
      'stillhouse_workers{state="joining"}': 1,
      'stillhouse_workers{state="ready"}': 0,
      'stillhouse_workers{state="computing"}': 2,
      'stillhouse_workers{state="resting"}': 0,
      'stillhouse_workers{state="leaving"}': 0,
      stillhouse_planned_steps: 40,
      stillhouse_steps_total: 12,
      stillhouse_samples_total: 384,
      stillhouse_epoch: 1,
      stillhouse_remaining_seconds: 61,
      'stillhouse_loss{term="response"}': 0.5,
      'stillhouse_loss{term="crossEntropy"}': 1.25,
      'stillhouse_phase_seconds_total{phase="student"}': 2.5,
      'stillhouse_phase_seconds_total{phase="wait"}': 0.25,
      'stillhouse_transferred_bytes_total{direction="received",plane="socket"}': 1001,
      'stillhouse_transferred_bytes_total{direction="sent",plane="socket"}': 1002,
      'stillhouse_transferred_bytes_total{direction="received",plane="memory"}': 1003,
      'stillhouse_transferred_bytes_total{direction="sent",plane="memory"}': 1004,
      stillhouse_send_queue_bytes: 300,
      stillhouse_leases_granted_total: 30,
      stillhouse_leases_repeated_total: 3,
      stillhouse_late_leases_total: 5,
      stillhouse_reconnects_total: 4,
      'stillhouse_refused_frames_total{reason="broken_rule"}': 6,
      'stillhouse_refused_frames_total{reason="no_lease"}': 7,
      'stillhouse_refused_frames_total{reason="no_match"}': 8,
      stillhouse_snapshots_total: 11,
      stillhouse_snapshot_seconds: 0.75,
      stillhouse_snapshot_age_seconds: 33,
      stillhouse_labels_wanted: 150,
      stillhouse_labels_read_total: 20,
      stillhouse_labels_made_total: 50,
      stillhouse_labels_behind: 80,
      process_resident_memory_bytes: 123_456,
    });
  });

  it('leaves out what is not known, and keeps names that people gave inside their quotes', async () => {
    const status = { ...counts.status, name: 'a"b\\c\nd', labels: null, secondsLeft: null, terms: {} };
    const { text } = await metricsPage({ ...counts, status, labelsRead: null });
    const names = [...valuesOf(text).keys()];
    expect(names.filter((name) => /labels|remaining|loss/.test(name))).toEqual([]);
    expect(text).toContain('name="a\\"b\\\\c\\nd"');
  });
});

describe.each(['dashboard.json', 'alerts.yml'])('deploy/monitoring/%s', (file) => {
  it('names metrics that there are', () => {
    const text = readFileSync(fileURLToPath(new URL(`../../../deploy/monitoring/${file}`, import.meta.url)), 'utf8');
    const named = new Set(text.match(/\b(?:stillhouse|process)_[a-z_]+/g));
    expect(named.size).toBeGreaterThan(5);
    expect([...named].filter((name) => !Object.hasOwn(runMetrics, name))).toEqual([]);
    if (file === 'dashboard.json') expect([...named].sort()).toEqual(Object.keys(runMetrics).sort());
  });
});
