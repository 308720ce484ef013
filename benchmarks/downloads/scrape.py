"""`scraping` as a command; as light as `wunderkammer` is, since each worker process imports it."""

if __name__ == "__main__":
    from benchmarks.downloads.scraping import main

    main()
