#compdef latlab
# latlab's completion for zsh: a file _latlab in a folder of $fpath, or source it after compinit.
_latlab() {
	local -a found
	local word text
	while IFS=$'\t' read -r word text; do
		[[ -n "$word" ]] && found+=("${word//:/\\:}${text:+:$text}")
	done < <("${(Q)words[1]/#\~/$HOME}" completion words -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
	if ((${#found})); then
		_describe -V latlab found
	else
		_files
	fi
}
if [[ "${funcstack[1]}" == _latlab ]]; then
	_latlab "$@"
else
	compdef _latlab latlab
fi
