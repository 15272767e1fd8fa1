"""Opens the app: `python app.py [--share] [--host H] [--port P] [--preset lite|paper]`; also the entry of a hosted Space."""

from segmo.ui.launch import main

if __name__ == "__main__":
    main()
