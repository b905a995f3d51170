/** What a model is told of this server before it sees any tool. */
export const INSTRUCTIONS = `ccli gives you a fleet of other AI agents: AI command-line tools and local models on several hosts. Each prompt you hand over is a durable task with a task_id.
- run_task: one prompt, the fleet chooses the agent. execute_task_on_agent: you choose it (discover_agents lists them). coordinate_multi_agent_task: several agents at once.
- These wait for the answer, 50 seconds unless wait_s says otherwise. If it takes longer they answer with status "queued", "assigned" or "running" and a task_id: call get_task with wait_s 50 until it has ended. A coordination answers with "running" and a coordination_id: make the same call with it.
- For long work, or several tasks at a time: submit_task for each, then get_task.
- A session_id of your choice makes tasks one conversation. Agents know nothing of your own conversation or files: put all they need into the prompt.
- An error begins with its code and says what to do. agent_health tells why an agent cannot work.`;
