# Arguments: Vela's own.
from ethosu.vela.vela import main

sys.exit(main(sys.argv[1:]))
