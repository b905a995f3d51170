/** Run by ollama.com: a server passes such a model on without listing it. */
export const isCloudModel = (name: string): boolean => /[:-]cloud$/i.test(name);
