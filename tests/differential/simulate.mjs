// Answers policy questions with @cloud-copilot/iam-simulate, an evaluator that shares no code with ours.
// stdin: one JSON a line, {policies, boundary, action, resource, contexts}; stdout: one JSON a line, the
// list of answers, one for each context.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const ACCOUNT = '123456789012'

async function answer({ policies, boundary, action, resource }, context) {
  const named = (documents) => documents.map((policy, n) => ({ name: `p${n}`, policy }))
  const outcome = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${ACCOUNT}:role/worker`,
        action,
        resource: { resource, accountId: ACCOUNT },
        contextVariables: context
      },
      identityPolicies: named(policies),
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
  for (const context of question.contexts) answers.push(await answer(question, context))
  process.stdout.write(JSON.stringify(answers) + '\n')
}
