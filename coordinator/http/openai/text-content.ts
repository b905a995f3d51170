/** The text of a message, from a string or from its parts. */
import { z } from 'zod';
import { ParameterError } from './parameter-error.ts';

const PartSchema = z.looseObject({
  type: z.string(),
  text: z.string().nullish(),
  refusal: z.string().nullish(),
});

/** Either a string or parts, of which those that are no text are refused by name and not as a mistake. */
export const ContentSchema = z.union([z.string(), z.array(PartSchema)]);
export type Content = z.infer<typeof ContentSchema>;

const TEXTS: ReadonlySet<string> = new Set(['text', 'input_text', 'output_text']);

/**
 * @param param where it stands: `messages[1].content`
 * @throws ParameterError `unsupported_parameter` for images, audio and files, `invalid_request` for a part without text
 */
export function textOf(content: Content, param: string): string {
  if (typeof content === 'string') return content;
  return content
    .map((part, index) => {
      const at = `${param}[${index}]`;
      if (part.type === 'refusal') return part.refusal ?? '';
      if (!TEXTS.has(part.type)) {
        throw new ParameterError(
          'unsupported_parameter',
          at,
          `Agents here take text alone; leave out the part of type "${part.type.slice(0, 50)}".`,
        );
      }
      if (typeof part.text !== 'string')
        throw new ParameterError('invalid_request', `${at}.text`, 'A part of a message needs its text.');
      return part.text;
    })
    .join('');
}
