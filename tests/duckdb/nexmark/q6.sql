SELECT seller, id AS auction, expires, final,
  AVG(final) OVER (PARTITION BY seller ORDER BY expires, id ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS average
FROM (SELECT A.id, A.seller, A.expires, MAX(B.price) AS final FROM auction A JOIN bid B ON A.id = B.auction
      WHERE B."dateTime" BETWEEN A."dateTime" AND A.expires GROUP BY A.id, A.seller, A.expires)
