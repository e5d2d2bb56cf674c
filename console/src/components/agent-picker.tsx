import type { AgentChoice } from '../../../connectors/web/wire.ts';

interface Props {
  agents: AgentChoice[];
  picked: string | null;
  onPick: (agentId: string | null) => void;
}

/** Whom a new conversation is with. The first agent is the default; with one agent there is nothing to pick. */
export function AgentPicker({ agents, picked, onPick }: Props) {
  const [first] = agents;
  if (first === undefined) return null;
  if (agents.length === 1) return <span className="composer-agent">To {first.name}</span>;
  const chosen = agents.find((agent) => agent.id === picked) ?? first;
  return (
    <label className="agent-picker" title={chosen.description}>
      <span>To</span>
      <select value={chosen.id} aria-label="Agent" onChange={(event) => onPick(event.target.value)}>
        {agents.map((agent) => (
          <option key={agent.id} value={agent.id}>
            {agent.name}
          </option>
        ))}
      </select>
    </label>
  );
}
