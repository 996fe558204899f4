// Answers policy questions with @cloud-copilot/iam-simulate, an evaluator that shares no code with ours.
// stdin: one JSON a line, {policies, boundary, principal, resourcePolicy, requests: [{action, resource, context}]};
// stdout: one JSON a line, the list of answers, one for each request.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const ACCOUNT = '123456789012'

const asked = (principal) =>
  principal === 'Anonymous' ? { type: 'Anonymous' } : (principal ?? `arn:aws:iam::${ACCOUNT}:role/worker`)

async function answer({ policies, boundary, principal, resourcePolicy }, { action, resource, context }) {
  const named = (documents) => documents.map((policy, n) => ({ name: `p${n}`, policy }))
  const outcome = await runSimulation(
    {
      request: {
        principal: asked(principal),
        action,
        // Said to be of the same account always, so that the role's own policies decide.
        resource: { resource, accountId: ACCOUNT },
        contextVariables: context
      },
      identityPolicies: named(policies),
      resourcePolicy: resourcePolicy ?? undefined,
      permissionBoundaryPolicies: boundary ? named([boundary]) : undefined,
      serviceControlPolicies: [],
      resourceControlPolicies: []
    },
    {}
  )
  return outcome.resultType === 'error' ? `error ${JSON.stringify(outcome.errors)}` : outcome.overallResult
}

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line)
  const answers = []
  for (const request of question.requests) answers.push(await answer(question, request))
  process.stdout.write(JSON.stringify(answers) + '\n')
}
