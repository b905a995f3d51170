/** What a host is called in the fleet. */
import { NAME_PATTERN } from '../../protocol/subjects.ts';

/** `operator@Walnut.lan` is walnut; of an address, the name that the host gives itself. */
export function nodeNameOf(host: string, hostname: string): string {
  const place = host.slice(host.lastIndexOf('@') + 1).replace(/^ssh:\/\//, '');
  const is_address = /^[\d.]+$|:|^localhost$/.test(place);
  return fit(is_address ? hostname : place) ?? fit(hostname) ?? 'node';
}

function fit(name: string): string | undefined {
  const short = (name.split('.')[0] ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .replace(/^[-_]+/, '')
    .slice(0, 63);
  return NAME_PATTERN.test(short) ? short : undefined;
}
