package state

// Settings are what latlab changes on a device while it times there, where the user asks for
// it. The zero value changes nothing.
type Settings struct {
	Governor  string // of all CPUs: "performance"; needs root there
	StayAwake bool   // Android: the screen does not go off while the phone is plugged in
	Airplane  bool   // Android: no radio
}
