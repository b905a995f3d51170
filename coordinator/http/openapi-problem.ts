/** How a route says which problems it may answer with. */

/** @param description when, in a sentence */
export const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
});
