/** `GET /v1/models`: every name that a request may give as its model. */
import { z } from 'zod';
import { contextOf, type Door, type DoorApp } from '../door.ts';
import { describe, OPENAI_TAGS } from './document.ts';
import { aimOf, type ModelName, modelNames } from './model.ts';

const ModelSchema = z
  .object({ id: z.string(), object: z.literal('model'), created: z.int(), owned_by: z.string() })
  .meta({ id: 'Model' });
const ModelListSchema = z
  .object({ object: z.literal('list'), data: z.array(ModelSchema) })
  .meta({ id: 'ModelList' });

export function registerModels(app: DoorApp, door: Door): void {
  // Agents have no date of their own that would mean anything to a client.
  const created = Math.floor(Date.now() / 1000);
  const model = ({ id, owned_by }: ModelName) => ({ id, object: 'model' as const, created, owned_by });

  describe(app, {
    method: 'get',
    path: '/v1/models',
    operationId: 'listModels',
    summary: 'What a request may name as its model',
    description:
      'Every agent, every type of agent, the virtual models `ccli/auto`, `ccli/<type>` and `ccli/<specialty>`, and the models that agents advertise. `<agent or type>@<model>` works besides.',
    tags: OPENAI_TAGS,
    schema: ModelListSchema,
  });
  app.get('/v1/models', async c => {
    const { agents } = await door.operations.agents({}, contextOf(c));
    return c.json({ object: 'list', data: modelNames(agents).map(model) });
  });

  describe(app, {
    method: 'get',
    path: '/v1/models/{id}',
    operationId: 'getModel',
    summary: 'One of them',
    description: 'An id may hold slashes and colons, escaped or as they are.',
    tags: OPENAI_TAGS,
    params: z.object({ id: z.string() }),
    schema: ModelSchema,
  });
  app.get('/v1/models/:id{.+}', async c => {
    const id = c.req.param('id');
    const { agents } = await door.operations.agents({}, contextOf(c));
    const listed = modelNames(agents).find(name => name.id === id);
    if (listed === undefined) aimOf(id, agents);
    return c.json(model(listed ?? { id, owned_by: 'ccli' }));
  });
}
