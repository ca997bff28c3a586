// Asks two SCIM implementations that know nothing of Gatehouse or of each other what a filter selects and what a PATCH makes.
//
// Reads one question per line and prints one answer per line, in order:
//   {"filter", "resources"}     -> {"scim2-parse-filter": [true | false | null], "scimmy": [...]}; null where it breaks down over one
//   {"resource", "operations"}  -> {"scim-patch": resource, "scimmy": resource}
// What one of them refuses is {"error": "..."} in its place.
import { createInterface } from 'node:readline'
import SCIMMY from 'scimmy'
import parseFilter from 'scim2-parse-filter'
import scimPatch from 'scim-patch'

const message = 'urn:ietf:params:scim:api:messages:2.0:PatchOp'
SCIMMY.Schemas.User.definition.extend(SCIMMY.Schemas.EnterpriseUser.definition)

async function answer (fn) {
  try {
    return await fn()
  } catch (e) {
    return { error: String(e.message ?? e) }
  }
}

// each asks about one resource after the other: scimmy breaks down where one lacks an attribute that it looks into.
function each (resources, selects) {
  return resources.map(r => {
    try {
      return selects(r)
    } catch {
      return null
    }
  })
}

for await (const line of createInterface({ input: process.stdin })) {
  const { filter, resources, resource, operations } = JSON.parse(line)
  const copy = () => JSON.parse(JSON.stringify(resource))
  const said = filter !== undefined
    ? {
        'scim2-parse-filter': await answer(() => each(resources, parseFilter.filter(parseFilter.parse(filter)))),
        scimmy: await answer(() => {
          const parsed = new SCIMMY.Types.Filter(filter)
          return each(resources, r => parsed.match([r]).length === 1)
        })
      }
    : {
        'scim-patch': await answer(() => {
          scimPatch.patchBodyValidation({ schemas: [message], Operations: operations })
          return scimPatch.scimPatch(copy(), operations)
        }),
        scimmy: await answer(async () => {
          const before = new SCIMMY.Schemas.User(copy(), 'both')
          const after = await new SCIMMY.Messages.PatchOp({ schemas: [message], Operations: operations }).apply(before)
          return after ?? before // undefined is "no change"
        })
      }
  console.log(JSON.stringify(said))
}
