/** Certificates that are made here, as OpenSSL reads them. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { fingerprintOf, namesOf, periodOf, pinOf } from '../../../shared/tls/certificates.js';
import { time } from '../../../shared/tls/der.js';
import { newAuthority, newCertificate } from '../../../shared/tls/issue.js';

const fromMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const period = { fromMs, untilMs: Date.UTC(2027, 0) };
const authority = newAuthority('CA of a test', period);
const ca = new X509Certificate(authority.certificate);

describe('a CA', () => {
  it('is one, has signed itself, and is what workers pin', () => {
    expect([ca.ca, ca.checkIssued(ca), ca.verify(ca.publicKey)]).toEqual([true, true, true]);
    expect(ca.subject).toBe('CN=CA of a test');
    expect(periodOf(ca)).toEqual(period);
    const below = new X509Certificate(newCertificate(authority, 'server', ['a'], period).certificate);
    expect(pinOf([below, ca])).toBe(fingerprintOf(ca));
    expect(pinOf([below])).toBeNull();
  });
});

describe('a certificate', () => {
  const names = ['node1.example', '*.pool.example', '10.0.0.1', '::1', 'fe80::1:2', '2001:db8::'];
  const made = newCertificate(authority, 'server', names, period);
  const certificate = new X509Certificate(made.certificate);

  it('is signed by its CA, for its purpose, and is none itself', () => {
    expect(certificate.verify(ca.publicKey)).toBe(true);
    expect([certificate.ca, certificate.issuer, certificate.subject]).toEqual([
      false,
      'CN=CA of a test',
      'CN=node1.example',
    ]);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    const client = new X509Certificate(newCertificate(authority, 'client', ['w'], period).certificate);
    expect(client.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
  });

  it('is for its names and addresses and no others', () => {
    expect(namesOf(certificate)).toEqual(names);
    expect(certificate.checkHost('node1.example')).toBe('node1.example');
    expect(certificate.checkHost('w7.pool.example')).toBe('*.pool.example');
    expect(certificate.checkHost('node2.example')).toBeUndefined();
    expect(certificate.checkIP('10.0.0.1')).toBe('10.0.0.1');
    expect(certificate.checkIP('::1')).toBe('::1');
    expect(certificate.checkIP('10.0.0.2')).toBeUndefined();
  });

  it('is refused for what is no name', () => {
    expect(() => newCertificate(authority, 'server', ['two words'], period)).toThrow(
      /--name two words: no name of a machine; .* wanted/,
    );
  });

  it('is not made with the key of another CA', () => {
    const other = newAuthority('CA of a test', period);
    expect(() => newCertificate({ ...authority, key: other.key }, 'client', ['w'], period)).toThrow(
      /CA of a test: its certificate and its key do not sign/,
    );
  });
});

describe('a moment', () => {
  it.each([
    [Date.UTC(2049, 11, 31, 23, 59, 59), 0x17, '491231235959Z'],
    [Date.UTC(2050, 0), 0x18, '20500101000000Z'],
  ])('is written as RFC 5280 wants it (%d)', (ms, tag, text) => {
    expect([time(ms)[0], time(ms).subarray(2).toString()]).toEqual([tag, text]);
  });
});
