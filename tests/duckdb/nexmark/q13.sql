SELECT B.auction, B.bidder, B.price, B."dateTime", S."value"
FROM bid B JOIN read_csv('dataflows/nexmark/data/side_input.csv') S ON B.auction % 10000 = S.key
