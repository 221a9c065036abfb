/** Completion of command lines: one engine over the command tree, and for each shell a script that asks it. */
import type { Argument, Command, Option } from "commander";

/** What may stand in place of the last word. */
export type Completion =
  | { readonly kind: "words"; readonly words: readonly Candidate[] }
  /** A file's name: shells know best. */
  | { readonly kind: "files" }
  /** Something the API server knows. */
  | { readonly kind: "names"; readonly of: "swarm" | "pod"; readonly options: Readonly<Record<string, string>> };

export interface Candidate {
  readonly word: string;
  readonly description: string;
}

const nothing: Completion = { kind: "words", words: [] };

/** `words`: what follows the program's name, the last one unfinished. */
export function complete(program: Command, words: readonly string[]): Completion {
  const last = words.at(-1) ?? "";
  let command = program;
  let awaits: Option | undefined;
  let given = 0;
  const used = new Map<string, string>();
  for (const word of words.slice(0, -1)) {
    if (awaits) {
      used.set(awaits.attributeName(), word);
      awaits = awaits.variadic ? awaits : undefined;
      if (!word.startsWith("-") || word === "-") continue;
    }
    if (word.startsWith("-") && word !== "-") {
      const [flag = "", value] = word.split("=", 2);
      const option = command.options.find((each) => each.long === flag || each.short === flag);
      if (option) used.set(option.attributeName(), value ?? "");
      awaits = option && value === undefined && (option.required || option.optional) ? option : undefined;
      continue;
    }
    const inner = command.commands.find((each) => each.name() === word);
    if (inner) command = inner;
    else given++;
  }
  if (awaits && !(awaits.variadic && last.startsWith("-"))) return valuesOf(awaits, last);
  if (last.startsWith("-")) return pick(last, flagsOf(command, used));
  if (command === program)
    return pick(
      last,
      command.commands.map((each) => ({ word: each.name(), description: each.description() })),
    );
  const argument = command.registeredArguments[given];
  return argument ? argumentOf(argument, last, Object.fromEntries(used)) : nothing;
}

function pick(last: string, words: readonly Candidate[]): Completion {
  return { kind: "words", words: words.filter(({ word }) => word.startsWith(last)) };
}

function flagsOf(command: Command, used: ReadonlyMap<string, string>): readonly Candidate[] {
  const own = command.options.filter((each) => !each.hidden && (each.variadic || !used.has(each.attributeName())));
  return [
    ...own.map(({ long, short, description }) => ({ word: long ?? short ?? "", description })),
    { word: "--help", description: "display help for command" },
  ];
}

function valuesOf({ argChoices, flags }: Option, last: string): Completion {
  if (argChoices) return pick(last, argChoices.map(bare));
  return /<file(s\.\.\.)?>/.test(flags) ? { kind: "files" } : nothing;
}

function argumentOf(argument: Argument, last: string, options: Readonly<Record<string, string>>): Completion {
  if (argument.argChoices) return pick(last, argument.argChoices.map(bare));
  switch (argument.name()) {
    case "file":
      return { kind: "files" };
    case "name":
      return { kind: "names", of: "swarm", options };
    case "seat|pod":
      return { kind: "names", of: "pod", options };
    default:
      return nothing;
  }
}

const bare = (word: string): Candidate => ({ word, description: "" });

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/** Asked by the scripts: not a command of its own, for its words may be options of others. */
export const completeWord = "__complete";
/** The line that stands for file names. */
export const filesLine = ":files";

/** For `source <(swarm completion SHELL)`. */
export function completionScript(shell: Shell): string {
  return scripts[shell];
}

const scripts: Readonly<Record<Shell, string>> = {
  bash: `# swarm completion: source <(swarm completion bash)
_swarm() {
  local IFS=$'\\n' line
  COMPREPLY=()
  for line in $(swarm ${completeWord} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    if [[ $line == ${filesLine} ]]; then
      compopt -o default
      return
    fi
    COMPREPLY+=("\${line%%$'\\t'*}")
  done
}
complete -F _swarm swarm
`,
  zsh: `#compdef swarm
# swarm completion: source <(swarm completion zsh)
_swarm() {
  local line
  local -a found
  for line in "\${(@f)$(swarm ${completeWord} "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      ${filesLine}) _files; return ;;
      *$'\\t'*) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
      ?*) found+=("\${line//:/\\\\:}") ;;
    esac
  done
  _describe 'swarm' found
}
if [[ $funcstack[1] == _swarm ]]; then
  _swarm
else
  compdef _swarm swarm
fi
`,
  fish: `# swarm completion: swarm completion fish | source
function __swarm_complete
  set -l words (commandline -opc)
  set -e words[1]
  set -l last (commandline -ct)
  for line in (swarm ${completeWord} $words "$last" 2>/dev/null)
    if test "$line" = "${filesLine}"
      __fish_complete_path "$last"
    else
      echo $line
    end
  end
end
complete -c swarm -f -a '(__swarm_complete)'
`,
};
