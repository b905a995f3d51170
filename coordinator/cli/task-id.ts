import { randomBytes } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const LENGTH = 20;

/** 100 random bits. Made by the caller, so that a task can be listened to before it exists and submitted twice. */
export function newTaskId(): string {
  return Array.from(randomBytes(LENGTH), byte => BASE32.charAt(byte % BASE32.length)).join('');
}
